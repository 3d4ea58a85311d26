"""How nodes of one grid find each other."""
