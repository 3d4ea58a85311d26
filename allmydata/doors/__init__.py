"""Ways in for tools that people have: each door speaks the protocol of one of them."""
