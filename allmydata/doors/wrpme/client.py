"""The two clients: bytes as they are, and Python objects."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from .envelope import Envelopes
from .errors import InvalidOption
from .session import as_bytes
from .wire import DEFAULT_PORT, Content, Line

_LINE_OPTIONS = ("timeout", "token", "tls", "max_size")


class _Connected:
    """What both clients are: a line to a hive, until it is closed."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def delete(self, alias: str) -> None:
        """Take *alias* away.

        :raises AliasNotFound: it is not there
        """
        self._line.delete(alias)

    def close(self) -> None:
        """End the connections."""
        self._line.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class RawClient(_Connected):
    """Bytes under aliases.

    It connects when it is made, and may be shared by threads.

    :param options: ``timeout`` (seconds), ``token``, ``tls``, ``max_size`` (bytes that
        ``get`` takes)
    :raises Error: the hive can't be reached
    """

    def __init__(self, host: str, port: int = DEFAULT_PORT, **options: Any) -> None:
        unknown = sorted(set(options) - set(_LINE_OPTIONS))
        if unknown:
            raise InvalidOption(f"unknown options: {', '.join(unknown)}")
        super().__init__(Line(host, port, **options))
        try:
            self._line.hello()
        except BaseException:
            self._line.close()
            raise

    def put(self, alias: str, content: Content | str) -> None:
        """Make *alias*.

        :raises AliasAlreadyExists: it is there
        """
        self._line.put(alias, as_bytes(content))

    def update(self, alias: str, content: Content | str) -> None:
        """Make or replace *alias*."""
        self._line.update(alias, as_bytes(content))

    def get(self, alias: str) -> bytes:
        """Return the content of *alias*.

        :raises AliasNotFound: it is not there
        """
        return self._line.get(alias)


class Client(_Connected):
    """Python objects under aliases.

    Objects are pickled into envelopes.  What comes back is unpickled with care: only plain
    data, and what was allowed, is made; all else is an UnsafeObject.

    :param key: signs what is written; what is read must be signed by it
    :param old_keys: others, whose signatures are taken too
    :param allow: classes whose objects may be made, beside those of :func:`wrpme.allow`
    :param format: ``pickle``, ``json`` or ``msgpack``, for what is written
    :param unsafe_pickle: make anything, of envelopes that a key of ours signed
    :param trust_unsigned: take what nobody signed
    :param max_object_size: bytes of an envelope that is opened
    :param options: as for :class:`RawClient`
    """

    def __init__(
        self,
        host: str,
        port: int = DEFAULT_PORT,
        *,
        key: bytes | None = None,
        old_keys: Iterable[bytes] = (),
        allow: Iterable[type] = (),
        format: str = "pickle",
        unsafe_pickle: bool = False,
        trust_unsigned: bool = False,
        max_object_size: int = 2**28,
        **options: Any,
    ) -> None:
        self._envelopes = Envelopes(
            key=key,
            old_keys=tuple(old_keys),
            allow=tuple(allow),
            format=format,
            unsafe_pickle=unsafe_pickle,
            trust_unsigned=trust_unsigned,
            max_size=max_object_size,
        )
        self._raw = RawClient(host, port, **options)
        super().__init__(self._raw._line)

    def put(self, alias: str, obj: Any) -> None:
        """Make *alias*.

        :raises AliasAlreadyExists: it is there
        :raises TypeError: this client could not read *obj* back
        """
        self._raw.put(alias, self._envelopes.seal(alias, obj))

    def update(self, alias: str, obj: Any) -> None:
        """Make or replace *alias*.

        :raises TypeError: this client could not read *obj* back
        """
        self._raw.update(alias, self._envelopes.seal(alias, obj))

    def get(self, alias: str) -> Any:
        """Return the object of *alias*.

        :raises AliasNotFound: it is not there
        :raises UnsafeObject: it is no plain data, and its class was not allowed
        """
        return self._envelopes.open(alias, self._raw.get(alias))
