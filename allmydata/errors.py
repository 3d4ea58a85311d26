"""Every exception a caller may catch.

A ``GridError`` says in its message what went wrong, with the numbers: what was
found, what was wanted.  ``why`` adds a line on the cause and ``fix`` one on what
to do; ``code`` is the word programs compare (exit codes and HTTP statuses are
derived from it, by the command line and the gateway).  No message, ``why`` or
``fix`` ever holds a capability, a key or a secret.
"""

from __future__ import annotations

from typing import ClassVar


class GridError(Exception):
    """Anything this package raises on purpose.

    :param message: one line, what went wrong
    :param why: one line, the cause with its numbers; may be empty
    :param fix: one line, what the reader can do; may be empty
    """

    code: ClassVar[str] = "failed"

    def __init__(self, message: str, *, why: str = "", fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.why = why
        self.fix = fix

    def as_json(self) -> dict[str, str]:
        """Return the object that every JSON error reply carries."""
        words = {
            "code": self.code,
            "message": self.message,
            "why": self.why,
            "fix": self.fix,
        }
        return {name: text for name, text in words.items() if text}


# ---- the caller's words ----------------------------------------------------------------


class UsageError(GridError):
    """A command or request was put together wrongly."""

    code = "usage"


class ConfigError(GridError):
    """A node directory or its tahoe.cfg does not say what a node needs."""

    code = "bad-config"


class NotFoundError(GridError):
    """A local file or directory that was named is not there."""

    code = "not-found"


class BadCapError(GridError):
    """A capability string does not parse, or is of a kind that won't do here."""

    code = "bad-cap"


class MutableChildError(BadCapError):
    """A child of a directory that nobody can change could be changed itself."""


class BadNameError(GridError):
    """Text that can't be the name of a child."""

    code = "bad-name"


class UploadSourceError(GridError):
    """The bytes to upload could not be read, or were not as many as promised."""

    code = "bad-source"


class DownloadTargetError(GridError):
    """The place a download goes to can't take it: exists, is a directory, has no room."""

    code = "bad-target"


class CancelledError(GridError):
    """The caller gave up before the work was done."""

    code = "cancelled"


# ---- authority ---------------------------------------------------------------------------


class NotCapableError(GridError):
    """You have tried to use authority that this capability does not hold."""

    code = "not-permitted"


class NotMutableError(NotCapableError):
    """You have tried to change something read-only."""


class BadWriteEnablerError(NotCapableError):
    """A vdrive server was shown another secret than the one a directory was made with."""


class NotYetError(GridError):
    """Something this version does not do."""

    code = "not-offered"


# ---- bytes that are not what they should be ----------------------------------------------


class CorruptError(GridError):
    """Stored bytes that contradict what seals them."""

    code = "corrupt"


class BadShareError(CorruptError):
    """A share, or part of one, that can't be parsed."""


class BadHashError(CorruptError):
    """Bytes that do not match the hash that covers them."""


class RollbackError(CorruptError):
    """Servers give an older version of a mutable file than was seen of it before."""


class NotEnoughHashesError(CorruptError):
    """Hashes that can't be tied to the root, because some between are missing."""


# ---- the grid ----------------------------------------------------------------------------


class ServerLostError(GridError):
    """The connection to a server broke, or it did not answer in time."""

    code = "server-lost"


class ServerRefusedError(GridError):
    """A server answered with an error."""

    code = "server-refused"


class NotEnoughServersError(GridError):
    """Too few servers take shares for the happiness asked for."""

    code = "not-enough-servers"


class NotEnoughSharesError(GridError):
    """Fewer good shares than needed were found: the file can't be brought back now."""

    code = "unrecoverable"


class NoSharesError(NotEnoughSharesError):
    """Not one share of the file was found."""


class NoSpaceError(GridError):
    """A disk, quota or server is full."""

    code = "no-space"


class ConflictError(GridError):
    """Somebody else changed, holds or made the same thing."""

    code = "conflict"


class UncoordinatedWriteError(ConflictError):
    """Somebody else writes the same mutable file: their version or ours stands, or none."""


class BusyError(GridError):
    """Others change the same directory so often that a change could not be made."""

    code = "conflict"


class NoSuchChildError(NotFoundError, IndexError):
    """A directory has no child of that name."""


class FileInTheWayError(NoSuchChildError):
    """A path goes on where there is no directory to go on in."""


class TooManyEntriesError(GridError):
    """A directory has more entries than one answer holds; ask for it in pages."""

    code = "too-many-entries"


# ---- nodes -------------------------------------------------------------------------------


class NodeNotRunningError(GridError):
    """No node answers at the address its directory names."""

    code = "no-node"


class NodeNotReadyError(GridError):
    """A node answers, but can't do its work yet."""

    code = "not-ready"
