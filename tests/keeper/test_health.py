import pytest

from allmydata.keeper.counts import Counts
from allmydata.keeper.health import Outlook
from allmydata.keeper.schedule import State


@pytest.mark.parametrize(
    ("states", "spares", "well", "words"),
    [
        (
            {State.WELL: 1200},
            {7: 1190, 5: 10},
            True,
            "All 1,200 files are safe: each may lose 5 servers, whichever they are.",
        ),
        (
            {State.WELL: 1},
            {1: 1},
            True,
            "1 file is safe: it may lose 1 server, whichever they are.",
        ),
        (
            {State.WELL: 8, State.WEAK: 2},
            {7: 8, 0: 2},
            False,
            "2 files of 10 are being repaired; the weakest bears the loss of no server.",
        ),
        (
            {State.WELL: 9, State.UNREADABLE: 1},
            {7: 9, -1: 1},
            False,
            "1 file of 10 can't be read now.",
        ),
        (
            {State.WELL: 4, State.NEW: 6},
            {7: 4},
            True,
            "4 of 10 files were looked at, and are safe.",
        ),
    ],
)
def test_one_line_says_how_safe_the_files_are(states, spares, well, words):
    assert Outlook(Counts(states, spares)).verdict == (well, words)


@pytest.mark.parametrize(
    ("losses", "worst", "words"),
    [
        (0.0, 0.0, "less than one file in 10^15 years"),
        (2e-9, 1e-9, "one file in 10^8 years (9 nines)"),
        (0.001, 0.001, "one file in 1,000 years (3 nines)"),
        (3.2, 0.5, "3.2 files"),
        (1.0, 1.0, "some files lack shares that are needed"),
    ],
)
def test_odds_are_said_in_words(losses, worst, words):
    counts = Counts({State.WELL: 9}, {7: 9}, losses=losses, worst=worst)
    assert Outlook(counts).odds == words
