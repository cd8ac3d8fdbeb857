"""Files: written whole or not at all, read as JSON records, found in the workspace, locked between processes."""
