"""The client's side of the wall: other people's servers."""
