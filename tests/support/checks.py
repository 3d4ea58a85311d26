"""Checks that several rooms' tests make."""

from collections.abc import Callable

from twisted.internet import reactor

from allmydata.util.deferreds import sleep


async def until(condition: Callable[[], object], limit_s: float = 10.0) -> None:
    """Return once *condition* holds; it is looked at each hundredth of a second."""
    for _ in range(int(limit_s * 100)):
        if condition():
            return
        await sleep(0.01, reactor)
    raise AssertionError(f"not so within {limit_s} s")
