"""Where a node's log goes: standard error or a file that is rotated, as text or JSON.

Twisted and foolscap are heard from ``warn`` on only: below that they write down
addresses and request lines, which hold capabilities.  What one of them slips into an error
is taken out of each line before it is written.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    eventAsJSON,
    formatEventAsClassicLogText,
    globalLogBeginner,
)
from twisted.python.logfile import LogFile
from zope.interface import provider

from allmydata.node.config import NodeConfig
from allmydata.node.redaction import redacted

OURS = "allmydata"


def begin_logging(config: NodeConfig, default: Path | None = None) -> None:
    """Send this process's log where *config* says.

    :param default: the file to use if it names none; None is standard error
    """
    path = config.log_file or default
    observer = make_observer(config, open_log(config, path) if path else sys.stderr)
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)


def open_log(config: NodeConfig, path: Path) -> Any:
    """Open *path* for appending; it is set aside when it is full, the oldest deleted."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return LogFile(
        path.name,
        str(path.parent),
        rotateLength=config.log_max_size,
        maxRotatedFiles=config.log_keep,
    )


def _as_text(event: LogEvent) -> str:
    return (formatEventAsClassicLogText(event) or "").rstrip("\n")


def _writer(file: TextIO | Any, formatted: Callable[[LogEvent], str]) -> ILogObserver:
    """Return what writes each event as a line, without capabilities."""

    @provider(ILogObserver)
    def write(event: LogEvent) -> None:
        line = redacted(formatted(event))
        if line:
            file.write(f"{line}\n")
            file.flush()

    observer: ILogObserver = write
    return observer


def make_observer(config: NodeConfig, file: TextIO | Any) -> ILogObserver:
    """Return what writes events to *file*, in the format and from the level configured."""
    is_json = config.log_format == "json"
    write = _writer(file, eventAsJSON if is_json else _as_text)
    level = "warn" if config.log_level == "warning" else config.log_level
    levels = LogLevelFilterPredicate(defaultLogLevel=LogLevel.warn)
    levels.setLogLevelForNamespace(OURS, LogLevel.levelWithName(level))
    return FilteringLogObserver(write, [levels])
