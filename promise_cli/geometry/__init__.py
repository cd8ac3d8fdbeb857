"""Geometry of voxels: grids, bounding boxes, patches, and resampling between grids."""
