"""Programs that git-annex runs, and what it takes to write another one.

``Backend``, ``Master`` and the errors are a library for external backends of git-annex:
programs that name contents.  ``git-annex-backend-XTAHOE`` is made with it
(``xtahoe.py``); ``git-annex-remote-tahoegrid`` keeps contents on the grid
(``remote.py``).  Docs: docs/doors/git-annex.md.
"""

from allmydata.doors.annex.backend import Backend, Master, Protocol
from allmydata.doors.annex.errors import (
    AnnexError,
    BackendError,
    NotLinkedError,
    ProtocolError,
    UnexpectedMessage,
    UnsupportedRequest,
)

__all__ = [
    "AnnexError",
    "Backend",
    "BackendError",
    "Master",
    "NotLinkedError",
    "Protocol",
    "ProtocolError",
    "UnexpectedMessage",
    "UnsupportedRequest",
]
