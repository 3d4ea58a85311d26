"""One exception for each code; all of them are an :class:`Error`."""

from __future__ import annotations

from typing import ClassVar

from .codes import Code


class Error(Exception):
    """A call that failed; ``code`` says how."""

    code: ClassVar[Code] = Code.error_internal


class SystemFailure(Error):  # noqa: N818
    """The operating system refused, or the hive does not let us in."""

    code = Code.error_system


class InternalError(Error):
    """The hive failed, or the grid behind it."""


class NoMemory(Error):  # noqa: N818
    """There is no room for it, here or there."""

    code = Code.error_no_memory


class InvalidProtocol(Error):  # noqa: N818
    """What answers is no hive."""

    code = Code.error_invalid_protocol


class HostNotFound(Error, ConnectionError):  # noqa: N818
    """The name of the host leads nowhere."""

    code = Code.error_host_not_found


class InvalidOption(Error):  # noqa: N818
    """An option that there is not, or that can't have this value."""

    code = Code.error_invalid_option


class AliasTooLong(Error):  # noqa: N818
    """An alias has at most 1,024 bytes of UTF-8."""

    code = Code.error_alias_too_long


class AliasNotFound(Error):  # noqa: N818
    """There is no such alias."""

    code = Code.error_alias_not_found


class AliasAlreadyExists(Error):  # noqa: N818
    """The alias is there already."""

    code = Code.error_alias_already_exists


class Timeout(Error, TimeoutError):  # noqa: N818
    """No answer came in time; what was to be done may be done."""

    code = Code.error_timeout


class BufferTooSmall(Error):  # noqa: N818
    """The content is longer than this client takes."""

    code = Code.error_buffer_too_small


class InvalidCommand(Error):  # noqa: N818
    """The hive does not know that."""

    code = Code.error_invalid_command


class InvalidInput(Error):  # noqa: N818
    """An alias that can't be one, a content that is too large, a handle that is closed."""

    code = Code.error_invalid_input


class ConnectionRefused(Error, ConnectionRefusedError):  # noqa: N818
    """Nobody listens there."""

    code = Code.error_connection_refused


class ConnectionReset(Error, ConnectionResetError):  # noqa: N818
    """The connection broke; what was to be done may be done."""

    code = Code.error_connection_reset


class UnexpectedReply(Error):  # noqa: N818
    """An answer that can't be understood."""

    code = Code.error_unexpected_reply


class UnsafeObject(UnexpectedReply):
    """An object that is not made, since to make it could do anything."""


_BY_CODE = {kind.code: kind for kind in Error.__subclasses__()}


def error_of(code: Code, words: str) -> Error:
    """Return the exception of a code that is not ``error_ok``."""
    return _BY_CODE[code](words)
