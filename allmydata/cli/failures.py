"""What goes wrong, as the command line says it: one exit code, one text, one object.

    error: WHAT                    [EXIT CODE AND ITS WORDS]
      WHY, with the numbers
      fix: WHAT TO DO

No text that leaves here holds a capability or the address of a secret object.
"""

from __future__ import annotations

import errno
import json
import os
import re
import sys
import traceback

import click
from attrs import evolve, frozen

from allmydata.errors import GridError

FAILED, NOT_FOUND, USAGE, NO_NODE, INTERRUPTED, CUT_PIPE = 1, 2, 3, 10, 130, 141

# The word an error carries to the exit code it becomes.
EXIT_CODES = {
    "failed": FAILED,
    "bad-config": FAILED,
    "bad-source": FAILED,
    "bad-target": FAILED,
    "server-lost": FAILED,
    "server-refused": FAILED,
    "too-many-entries": FAILED,
    "not-found": NOT_FOUND,
    "usage": USAGE,
    "bad-cap": USAGE,
    "bad-name": USAGE,
    "not-offered": USAGE,
    "no-node": NO_NODE,
    "not-ready": 11,
    "not-enough-servers": 12,
    "unrecoverable": 13,
    "corrupt": 14,
    "not-permitted": 15,
    "conflict": 16,
    "no-space": 17,
    "cancelled": INTERRUPTED,
}

EXIT_WORDS = {
    FAILED: "failed",
    NOT_FOUND: "not found",
    USAGE: "usage",
    NO_NODE: "no node answers",
    11: "node not ready",
    12: "not enough servers",
    13: "unrecoverable",
    14: "corrupt",
    15: "not permitted",
    16: "conflict",
    17: "no space",
    INTERRUPTED: "interrupted",
}

_SECRET = re.compile(r"(URI(?::|%3A)[A-Za-z0-9-]+(?::|%3A)|pb://)[^\s'\"<>]*")
_COLUMN = 68  # where the exit code stands, if the text leaves room


@frozen
class Trouble:
    """One thing that went wrong, told in lines that are empty where there is nothing."""

    code: str
    message: str
    why: str = ""
    fix: str = ""

    @property
    def exit_code(self) -> int:
        """What the process leaves with."""
        return EXIT_CODES.get(self.code, FAILED)

    def as_text(self) -> str:
        """Return the lines for people."""
        tail = f"[{self.exit_code} {EXIT_WORDS[self.exit_code]}]"
        lines = [f"{'error: ' + self.message:<{_COLUMN}}  {tail}"]
        lines += [f"  {line}" for line in self.why.splitlines()]
        lines += [f"  fix: {self.fix}"] if self.fix else []
        return "\n".join(lines)

    def as_json(self) -> str:
        """Return the object for programs."""
        error = GridError(self.message, why=self.why, fix=self.fix).as_json()
        error |= {"code": self.code}
        return json.dumps({"error": error | {"exit": self.exit_code}})


def report(error: BaseException, *, as_json: bool, verbose: bool) -> int:
    """Tell the user of *error*; return the exit code.

    :param as_json: an object on standard output, instead of text on standard error
    :param verbose: the traceback too
    """
    if isinstance(error, BrokenPipeError):
        _give_up_stdout()
        return CUT_PIPE
    if verbose:
        click.echo(_clean("".join(traceback.format_exception(error))), err=True, nl=False)
    trouble = _told(error)
    trouble = evolve(
        trouble,
        message=_clean(trouble.message),
        why=_clean(trouble.why),
        fix=_clean(trouble.fix),
    )
    if as_json:
        click.echo(trouble.as_json())
    else:
        click.echo(trouble.as_text(), err=True)
    return trouble.exit_code


def _told(error: BaseException) -> Trouble:
    match error:
        case GridError():
            return Trouble(error.code, error.message, error.why, error.fix)
        case click.UsageError():
            context = error.ctx.command_path if error.ctx else "tahoe"
            return Trouble("usage", error.format_message(), fix=f"{context} --help")
        case click.ClickException():
            return Trouble("failed", error.format_message())
        case KeyboardInterrupt() | EOFError() | click.Abort():
            return Trouble("cancelled", "interrupted")
        case OSError():
            code = "no-space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "failed"
            where = f"{error.filename}: " if error.filename else ""
            return Trouble(code, f"{where}{error.strerror or error}")
    what = str(error).split("\n", 1)[0][:200]
    return Trouble(
        "failed",
        f"unforeseen {type(error).__name__}{': ' if what else ''}{what}",
        fix="run it again with -v, tahoe -v …, to see where",
    )


def _clean(text: str) -> str:
    return _SECRET.sub(r"\1…", text)


def _give_up_stdout() -> None:
    """Let what is still buffered go nowhere: the reader has left, and knows it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
