"""The mathematics of one file: sizes, erasure code, hash trees, placement."""
