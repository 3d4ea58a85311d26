"""The hive: put, get, update, delete.  docs/doors/hive.md."""
