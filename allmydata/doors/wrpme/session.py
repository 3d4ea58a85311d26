"""The functions: handles and codes, no exceptions but for wrong types."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any, TypeVar

from .codes import Code, error_internal, error_invalid_input, error_ok
from .errors import Error
from .wire import DEFAULT_PORT, Content, Line

T = TypeVar("T")


class Session:
    """What :func:`open` returns; it is closed when nobody holds it any more."""

    def __init__(self) -> None:
        self.line: Line | None = None
        self.is_closed = False

    def __del__(self) -> None:
        close(self)


def open() -> Session:
    """Return a new handle, not connected."""
    return Session()


def close(handle: Session) -> None:
    """End the connections of *handle*; to do it twice does no harm."""
    line, handle.line, handle.is_closed = _checked(handle).line, None, True
    if line is not None:
        line.close()


def connect(handle: Session, address: str, port: int = DEFAULT_PORT) -> Code:
    """Connect *handle* to the hive at *address*; one that it had is left."""
    if _checked(handle).is_closed:
        return error_invalid_input

    def begin() -> None:
        line = Line(address, port)
        try:
            line.hello()
        except BaseException:
            line.close()
            raise
        before, handle.line = handle.line, line
        if before is not None:
            before.close()

    return _code(begin)[0]


def get(handle: Session, alias: str) -> tuple[Code, bytes]:
    """Return a code, and the content of *alias* where it is ``error_ok``."""
    line = _checked(handle).line
    if line is None:
        return error_invalid_input, b""
    code, content = _code(lambda: line.get(alias))
    return code, content or b""


def put(handle: Session, alias: str, content: Content | str) -> Code:
    """Make *alias*; it must not be there."""
    data = as_bytes(content)
    return _on(handle, lambda line: line.put(alias, data))


def update(handle: Session, alias: str, content: Content | str) -> Code:
    """Make or replace *alias*."""
    data = as_bytes(content)
    return _on(handle, lambda line: line.update(alias, data))


def delete(handle: Session, alias: str) -> Code:
    """Take *alias* away; it must be there."""
    return _on(handle, lambda line: line.delete(alias))


def as_bytes(content: Any) -> Content:
    """Return a content as bytes; text becomes UTF-8.

    :raises TypeError: it is neither bytes nor text
    """
    if isinstance(content, str):
        return content.encode("utf-8", "surrogateescape")
    if isinstance(content, bytes | bytearray):
        return content
    if isinstance(content, memoryview):
        return content.cast("B") if content.c_contiguous else content.tobytes()
    raise TypeError(f"a content is bytes or str, not {type(content).__name__}")


# ---- inside ------------------------------------------------------------------------------


def _checked(handle: Session) -> Session:
    if not isinstance(handle, Session):
        raise TypeError(f"a handle comes from open(), not {type(handle).__name__}")
    return handle


def _on(handle: Session, act: Callable[[Line], None]) -> Code:
    line = _checked(handle).line
    if line is None:
        return error_invalid_input
    return _code(lambda: act(line))[0]


def _code(act: Callable[[], T]) -> tuple[Code, T | None]:
    try:
        return error_ok, act()
    except Error as e:
        return e.code, None
    except (TypeError, KeyboardInterrupt):
        raise
    except builtins.Exception:  # nothing is foreseen here; callers look at codes
        return error_internal, None
