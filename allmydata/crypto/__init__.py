"""Ciphers, tagged hashes, Merkle trees, and every key derived from them."""
