"""Integer arithmetic of sizes and trees."""

from __future__ import annotations


def div_ceil(a: int, b: int) -> int:
    """Return the smallest q with q * b >= a."""
    return -(-a // b)


def next_multiple(a: int, b: int) -> int:
    """Return *a* rounded up to a multiple of *b*."""
    return div_ceil(a, b) * b


def pad_size(a: int, b: int) -> int:
    """Return how much must be added to *a* to make it a multiple of *b*."""
    return -a % b


def next_power_of_2(a: int) -> int:
    """Return the smallest power of two that is at least *a*, and at least 1."""
    return 1 << max(0, a - 1).bit_length()


def log2_exact(a: int) -> int:
    """Return the exponent of the power of two *a*."""
    return a.bit_length() - 1
