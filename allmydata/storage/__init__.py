"""The server's side of the wall: shares on disk."""
