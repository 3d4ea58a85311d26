"""The encoding parameters of a node: its own, else what is advised, else 3/7/10."""

from __future__ import annotations

DEFAULT_PARAMETERS = (3, 7, 10)  # k, happy, n (decision 4)


def settle_parameters(
    own: tuple[int | None, int | None, int | None], others: tuple[int, int, int]
) -> tuple[int, int, int]:
    """Return (k, happy, n): what is set in *own*, and where it is not, *others*.

    What was set is kept; what was not gives way, so that k and happy are no more than n.
    """
    k, happy, n = own
    n = n or max(others[2], k or 0, happy or 0)
    return k or min(others[0], n), happy or min(others[1], n), n
