"""A special remote's program, spoken to as git-annex speaks to it."""

import io
import os
import threading

from allmydata.doors.annex.lines import Lines
from allmydata.doors.annex.remote import Remote


class Peer:
    """git-annex's side: answers what the program asks, and keeps what it is told."""

    def __init__(self, **config):
        self.config = config
        self.secrets = {}
        self.states = {}
        self.told = []  # INFO, DEBUG, PROGRESS
        self.code = None
        (read, self._out), (self._in, write) = os.pipe(), os.pipe()
        self._lines = Lines(os.fdopen(self._in, "rb"), os.fdopen(self._out, "wb"))
        source, target = os.fdopen(read, "rb"), os.fdopen(write, "wb")

        def serve():
            with source, target:
                self.code = Remote(Lines(source, target)).serve()

        self._thread = threading.Thread(target=serve)
        self._thread.start()
        assert self._lines.read() == "VERSION 1"

    def ask(self, *words):
        """Send a request; return its reply, or None where the program has ended."""
        self._lines.write(*words)
        while (line := self._lines.read()) is not None:
            word, _, rest = line.partition(" ")
            if word in ("INFO", "DEBUG", "PROGRESS"):
                self.told.append(line)
            elif not self._serve(word, rest):
                return line
        return None

    def _serve(self, word, rest):
        name, _, value = rest.partition(" ")
        match word:
            case "GETCONFIG":
                self._lines.write("VALUE", self.config.get(rest, ""))
            case "GETSTATE":
                self._lines.write("VALUE", self.states.get(rest, ""))
            case "GETCREDS":
                self._lines.write("CREDS", "x", self.secrets.get(rest, ""))
            case "SETCONFIG":
                self.config[name] = value
            case "SETSTATE":
                self.states[name] = value
            case "SETCREDS":
                self.secrets[name] = value.split(" ")[1]
            case _:
                return False
        return True

    def close(self):
        """End the line; return the program's exit code."""
        self._lines._target.close()
        self._thread.join(20)
        assert not self._thread.is_alive()
        self._lines._source.close()
        return self.code


def served(data):
    """Return what is said to these bytes by whoever keeps to no order, and the code."""
    output = io.BytesIO()
    code = Remote(Lines(io.BytesIO(data), output)).serve()
    return output.getvalue().decode("utf-8", "surrogateescape").splitlines(), code
