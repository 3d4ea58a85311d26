"""A client of the hive: objects or bytes under aliases.

    import wrpme

    cl = wrpme.Client("127.0.0.1")          # Python objects
    raw = wrpme.RawClient("127.0.0.1")      # bytes

``put`` fails where the alias is there, ``update`` makes or replaces, ``get`` and ``delete``
fail where it is not.  Below them lie functions that return codes.  It is installed as
``wrpme`` and needs nothing but Python.  Docs: docs/doors/hive.md.
"""

from .client import Client, RawClient
from .codes import (
    Code,
    error_alias_already_exists,
    error_alias_not_found,
    error_alias_too_long,
    error_buffer_too_small,
    error_connection_refused,
    error_connection_reset,
    error_host_not_found,
    error_internal,
    error_invalid_command,
    error_invalid_input,
    error_invalid_option,
    error_invalid_protocol,
    error_no_memory,
    error_ok,
    error_system,
    error_timeout,
    error_unexpected_reply,
)
from .errors import (
    AliasAlreadyExists,
    AliasNotFound,
    AliasTooLong,
    BufferTooSmall,
    ConnectionRefused,
    ConnectionReset,
    Error,
    HostNotFound,
    InternalError,
    InvalidCommand,
    InvalidInput,
    InvalidOption,
    InvalidProtocol,
    NoMemory,
    SystemFailure,
    Timeout,
    UnexpectedReply,
    UnsafeObject,
)
from .session import close, connect, delete, get, open, put, update
from .unpickle import allow

__all__ = [
    "AliasAlreadyExists",
    "AliasNotFound",
    "AliasTooLong",
    "BufferTooSmall",
    "Client",
    "Code",
    "ConnectionRefused",
    "ConnectionReset",
    "Error",
    "HostNotFound",
    "InternalError",
    "InvalidCommand",
    "InvalidInput",
    "InvalidOption",
    "InvalidProtocol",
    "NoMemory",
    "RawClient",
    "SystemFailure",
    "Timeout",
    "UnexpectedReply",
    "UnsafeObject",
    "allow",
    "close",
    "connect",
    "delete",
    "error_alias_already_exists",
    "error_alias_not_found",
    "error_alias_too_long",
    "error_buffer_too_small",
    "error_connection_refused",
    "error_connection_reset",
    "error_host_not_found",
    "error_internal",
    "error_invalid_command",
    "error_invalid_input",
    "error_invalid_option",
    "error_invalid_protocol",
    "error_no_memory",
    "error_ok",
    "error_system",
    "error_timeout",
    "error_unexpected_reply",
    "get",
    "open",
    "put",
    "update",
]
