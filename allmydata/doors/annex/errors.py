"""What goes wrong between git-annex and a program of its external backend protocol."""

from __future__ import annotations


class AnnexError(Exception):
    """Anything below."""


class ProtocolError(AnnexError):
    """A line that is no message."""


class UnexpectedMessage(ProtocolError):  # noqa: N818  # the protocol's libraries' name
    """A message that makes no sense at this point."""


class UnsupportedRequest(ProtocolError):  # noqa: N818  # the protocol's libraries' name
    """A request that this program does not serve."""


class BackendError(AnnexError):
    """A backend raises it where it can't do what was asked."""


class NotLinkedError(AnnexError):
    """A Master was to listen before it had a Backend."""
