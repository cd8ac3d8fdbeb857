"""What prediction leaves in a folder, and how masks and labels are paired."""
