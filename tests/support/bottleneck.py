"""A way to a server that breaks, or stands still, after so many bytes."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

HOST = "127.0.0.1"


class Bottleneck:
    """Passes on what is sent to a port of this machine and what is answered.

    :param most: bytes each way; after them nothing comes through any more
    :param breaks: connections are cut then; else they stay open
    """

    def __init__(self, port: int, most: int, *, breaks: bool = True) -> None:
        self.is_full = Event()
        self._end = Event()
        self._target = HOST, port
        self._left = {"there": most, "back": most}
        self._breaks = breaks
        self._listener = socket.create_server((HOST, 0))
        self._sockets = [self._listener]
        self._threads = [Thread(target=self._serve)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        """End it, and all connections."""
        self._end.set()
        _shut(self._listener)
        self._threads[0].join()  # there are no more sockets from here on
        _shut(*self._sockets)
        for thread in self._threads[1:]:
            thread.join()
        for one in self._sockets:
            one.close()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            self._sockets += [near, far]
            for one, other, way in ((near, far, "there"), (far, near, "back")):
                thread = Thread(target=self._pass, args=(one, other, way))
                self._threads.append(thread)
                thread.start()

    def _pass(self, source: socket.socket, target: socket.socket, way: str) -> None:
        with suppress(OSError):
            while piece := source.recv(65536):
                left = self._left[way]
                target.sendall(piece[:left])
                self._left[way] = max(0, left - len(piece))
                if len(piece) > left:
                    self.is_full.set()
                    if not self._breaks:
                        self._end.wait()
                    break
        _shut(source, target)


def _shut(*sockets: socket.socket) -> None:
    for one in sockets:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


@contextmanager
def bottleneck(port: int, most: int, *, breaks: bool = True) -> Iterator[Bottleneck]:
    """Give one, and end it."""
    narrow = Bottleneck(port, most, breaks=breaks)
    try:
        yield narrow
    finally:
        narrow.close()
