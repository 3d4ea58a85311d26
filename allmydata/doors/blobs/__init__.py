"""Contents by name, for all doors that store contents: docs/doors/blobs.md."""
