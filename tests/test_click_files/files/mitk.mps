<?xml version="1.0" encoding="UTF-8" ?>
<point_set_file>
    <file_version>0.1</file_version>
    <point_set>
        <time_series>
            <time_series_id>0</time_series_id>
            <Geometry3D ImageGeometry="false" FrameOfReferenceID="0">
                <IndexToWorld type="Matrix3x3" m_0_0="1" m_0_1="0" m_0_2="0" m_1_0="0" m_1_1="1" m_1_2="0" m_2_0="0" m_2_1="0" m_2_2="1" />
                <Offset type="Vector3D" x="0" y="0" z="0" />
                <Bounds>
                    <Min type="Vector3D" x="-12.4" y="80.2" z="-312.5" />
                    <Max type="Vector3D" x="-3" y="88.1" z="-310" />
                </Bounds>
            </Geometry3D>
            <point>
                <id>0</id>
                <specification>0</specification>
                <x>-12.4</x>
                <y>88.1</y>
                <z>-310</z>
            </point>
            <point>
                <id>1</id>
                <specification>0</specification>
                <x>-3</x>
                <y>80.2</y>
                <z>-312.5</z>
            </point>
        </time_series>
    </point_set>
</point_set_file>
