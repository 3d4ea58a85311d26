"""What the keeper's owner is told: of all files together, and of each."""

from __future__ import annotations

from attrs import frozen

from allmydata.keeper.schedule import State, Watched


@frozen
class Counts:
    """How many files are how.

    :param by_state: files in each state
    :param by_spare: files that may still lose so many servers, of those looked at
    :param size: bytes of all of them
    :param losses: files that will be lost in a year, in the mean
    :param worst: the odds of the one most at risk
    :param missing: bytes of the files that wait for a repair
    :param num_sampled: files still to be read in this round
    """

    by_state: dict[State, int]
    by_spare: dict[int, int]
    size: int = 0
    losses: float = 0.0
    worst: float = 0.0
    missing: int = 0
    num_sampled: int = 0
    oldest_check: float | None = None

    @property
    def num_files(self) -> int:
        """How many are kept."""
        return sum(self.by_state.values())


@frozen
class Entry:
    """A file as the owner is told of it."""

    file: Watched
    num_good: int | None
    loss: float | None
    due: float
    verified: float | None
    repaired: float | None
    repaired_from: int | None
    error: str
