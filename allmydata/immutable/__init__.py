"""Files that never change: upload and download."""
