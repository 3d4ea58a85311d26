"""How many files and sockets this process may have open: as many as it is allowed."""

from __future__ import annotations

import resource
from contextlib import suppress


def allow_many() -> None:
    """Lift the limit to the highest that needs no privilege."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
