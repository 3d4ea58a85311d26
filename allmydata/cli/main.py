"""The ``tahoe`` command begins here: nothing is loaded that the words don't ask for."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from allmydata import __version__


def main(words: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit code.

    :param words: what stands after ``tahoe``; by default what this process was given
    """
    words = list(sys.argv[1:] if words is None else words)
    if words == ["--version"]:
        sys.stdout.write(f"allmydata/{__version__}\n")
        return 0
    if "run" in words[:3]:
        from allmydata.cli import foreground

        place = foreground.asked(words)
        if place is not None:
            stays = words[-1] == foreground.STAYS
            return foreground.run(place, allow_stdin_close=stays)
    from allmydata.cli.commands import dispatch

    return dispatch(words)


if __name__ == "__main__":
    sys.exit(main())
