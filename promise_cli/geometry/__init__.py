"""Where voxels lie: grids, boxes, patches, and resampling between grids."""
