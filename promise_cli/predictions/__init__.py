"""Files that prediction writes, and the pairing of predicted masks with label files."""
