"""git-annex's external backend protocol: a library to write backends with.

    class Mine(Backend):
        ...

    master = Master()
    master.LinkBackend(Mine(master))
    master.Listen()

git-annex sends a request a line and is answered by a line; on the way to it a backend may
send PROGRESS, DEBUG and ERROR.  Source of the protocol: external_backend_protocol, in
git-annex's own documentation.  Standard output is the wire: print nothing there.
"""

from __future__ import annotations

import inspect
import sys
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, TextIO

from allmydata.doors.annex.errors import (
    BackendError,
    NotLinkedError,
    ProtocolError,
    UnsupportedRequest,
)

LONGEST_LINE = 2**20  # characters; file names and keys are much shorter


class Backend(ABC):
    """One way of naming contents: what a program of this protocol is written as.

    :param annex: the :class:`Master` that speaks with git-annex
    """

    def __init__(self, annex: Master) -> None:
        self.annex = annex

    @abstractmethod
    def can_verify(self) -> bool:
        """Tell whether :meth:`verify_content` finds damage."""

    @abstractmethod
    def is_stable(self) -> bool:
        """Tell whether a key always has the same content."""

    @abstractmethod
    def is_cryptographically_secure(self) -> bool:
        """Tell whether nobody can make two contents of one key."""

    @abstractmethod
    def gen_key(self, local_file: str) -> str:
        """Return the key of the content of *local_file*, a path that may hold spaces.

        It may call ``self.annex.progress``.

        :raises BackendError: it has none
        """

    @abstractmethod
    def verify_content(self, key: str, content_file: str) -> bool:
        """Tell whether *content_file* has the content of *key*; progress as above.

        :raises BackendError: that can't be known
        """

    def error(self, error_msg: str) -> NoReturn:
        """Tell git-annex that nothing more can be done, and end the program."""
        self.annex.error(error_msg)
        raise SystemExit(1)


class Master:
    """Speaks with git-annex: hears requests, and sends replies and news.

    :param output: where git-annex listens; by default standard output
    """

    def __init__(self, output: TextIO | None = None) -> None:
        self.output = sys.stdout if output is None else output
        self.input: TextIO = sys.stdin
        self.backend: Backend | None = None
        self.protocol: Protocol | None = None

    def LinkBackend(self, backend: Backend) -> None:  # noqa: N802  # the given name
        """Serve requests by *backend* from now on."""
        self.backend = backend
        self.protocol = Protocol(backend)

    def Listen(self, input: TextIO | None = None) -> None:  # noqa: N802
        """Answer what comes until git-annex closes the line.

        :param input: where it comes from; by default standard input
        :raises NotLinkedError: nobody serves it
        :raises SystemExit: a backend failed; git-annex has been told
        """
        if self.protocol is None:
            raise NotLinkedError("no backend is linked: call LinkBackend first")
        self.input = sys.stdin if input is None else input
        try:
            for line in _lines(self.input):
                self._answer(self.protocol, line)
        except Exception as e:
            for told in traceback.format_exception(e):
                for row in told.splitlines():
                    self.debug(row)
            self.error(e)
            raise SystemExit(1) from e

    def _answer(self, protocol: Protocol, line: str) -> None:
        try:
            reply = protocol.command(line)
        except UnsupportedRequest as e:
            self.debug(e)
            reply = "UNSUPPORTED-REQUEST"
        if reply:
            self._send(reply)

    def debug(self, *args: object) -> None:
        """Say something that ``git annex --debug`` shows."""
        self._send("DEBUG", *args)

    def error(self, *args: object) -> None:
        """Say what went wrong; git-annex sends nothing after it."""
        self._send("ERROR", *args)

    def progress(self, progress: float) -> None:
        """Say how many bytes of the file have been looked at."""
        self._send("PROGRESS", int(progress))

    def _send(self, *words: object) -> None:
        text = " ".join(map(str, words))
        self.output.write(text.replace("\n", " ").replace("\r", " ") + "\n")
        self.output.flush()


class Protocol:
    """Takes requests apart: the method ``do_WORD`` answers the request WORD."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    def command(self, line: str) -> str | None:
        """Return what is replied to *line*, if anything.

        :raises ProtocolError: it is empty
        :raises UnsupportedRequest: nobody knows its word
        :raises SyntaxError: it says too much or too little
        """
        line = line.rstrip("\r\n")
        word, space, rest = line.partition(" ")
        if not word:
            raise ProtocolError("a line without a request")
        method = self.lookupMethod(word)
        if method is None:
            raise UnsupportedRequest(f"Unknown request '{line}'")
        given = [rest] if space else []
        try:
            inspect.signature(method).bind(*given)
        except TypeError as e:
            raise SyntaxError(f"{word.upper()}: {e}") from e
        reply: str | None = method(*given)
        return reply

    def lookupMethod(self, command: str) -> Callable[..., Any] | None:  # noqa: N802
        """Return what answers the request of that word, however it is spelt, or None."""
        return getattr(self, f"do_{command.upper()}", None)

    def do_GETVERSION(self) -> str:  # noqa: N802
        """Say which version of the protocol this is."""
        return "VERSION 1"

    def do_CANVERIFY(self) -> str:  # noqa: N802
        """Say whether the backend verifies."""
        return _yes_or_no("CANVERIFY", self.backend.can_verify())

    def do_ISSTABLE(self) -> str:  # noqa: N802
        """Say whether its keys always mean the same."""
        return _yes_or_no("ISSTABLE", self.backend.is_stable())

    def do_ISCRYPTOGRAPHICALLYSECURE(self) -> str:  # noqa: N802
        """Say whether its keys can't be made to lie."""
        word = "ISCRYPTOGRAPHICALLYSECURE"
        return _yes_or_no(word, self.backend.is_cryptographically_secure())

    def do_GENKEY(self, *arg: str) -> str:  # noqa: N802
        """Make a key of a file."""
        local_file = _only("GENKEY", arg)
        try:
            return f"GENKEY-SUCCESS {self.backend.gen_key(local_file)}"
        except BackendError as e:
            return f"GENKEY-FAILURE {e}"

    def do_VERIFYKEYCONTENT(self, *arg: str) -> str:  # noqa: N802
        """Compare a file with a key."""
        key, space, content_file = _only("VERIFYKEYCONTENT", arg).partition(" ")
        if not space:
            raise SyntaxError("VERIFYKEYCONTENT: a key and a file are wanted")
        try:
            is_right = self.backend.verify_content(key, content_file)
        except BackendError as e:
            self.backend.annex.debug(e)
            is_right = False
        return f"VERIFYKEYCONTENT-{'SUCCESS' if is_right else 'FAILURE'}"

    def do_ERROR(self, message: str) -> None:  # noqa: N802
        """Hear that git-annex gives up."""
        self.backend.error(message)


def _lines(source: TextIO) -> Iterator[str]:
    """Yield the lines of *source*.

    :raises ProtocolError: one is longer than LONGEST_LINE
    """
    while line := source.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE and not line.endswith("\n"):
            raise ProtocolError(f"a line of more than {LONGEST_LINE} characters")
        yield line


def _yes_or_no(word: str, is_so: bool) -> str:
    return f"{word}-{'YES' if is_so else 'NO'}"


def _only(word: str, arg: tuple[str, ...]) -> str:
    if len(arg) != 1:
        raise SyntaxError(f"{word}: one argument is wanted, {len(arg)} given")
    return arg[0]
