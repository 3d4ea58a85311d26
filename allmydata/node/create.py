"""Making a node directory: tahoe.cfg, the ``.tac`` that tells its kind, and ``private/``.

The answers a directory was made with are kept in ``private/created.json``, so that the
same command may be given again, whatever its owner has edited since: it finds the same
answers and changes nothing.  Other answers, or a directory of something else, are an
error and nothing is changed either.  tahoe.cfg is written last: a directory that has the
answers but no tahoe.cfg was left half made, and is made whole.

Format: docs/formats/node.md, sections 1 and 2.
"""

from __future__ import annotations

import json
import socket
from pathlib import Path

from attrs import asdict, frozen

from allmydata.errors import ConfigError, ConflictError, UsageError
from allmydata.node import config
from allmydata.node.ports import LOOPBACK, free_ports, is_free
from allmydata.node.schema import FURL, is_furl
from allmydata.util.fileutil import make_private_directory, write_atomically

CREATED = "created.json"
_WEB = 3456
WEB_PORT = f"tcp:{_WEB}:interface={LOOPBACK}"
RESERVED_SPACE = "1G"

_TAC = """\
# This directory belongs to a node of kind {kind}: tools know it by the name of this file.
# Nothing here is run.  Start the node with:  tahoe run DIRECTORY
"""


@frozen
class Answers:
    """What the maker of a node was asked; None where nothing was answered.

    :param kind: ``client`` (storage nodes too), ``introducer`` or ``vdrive``
    :param storage: keep shares for others
    :param listen: be reachable; a node that is not can only be a client
    :param hostname: others find us there, at a port chosen now
    :param introducer: its FURL, a secret
    :param vdrive: the FURL of the server of directories, a secret
    :param reserved_space: bytes of disk that shares must leave free, as ``1G``
    :param no_vdrive: True for an introducer that keeps no directories
    :param no_public_root: True for a server of directories that offers no public root
    """

    kind: str
    nickname: str | None = None
    introducer: str | None = None
    vdrive: str | None = None
    webport: str | None = None
    listen: bool = True
    hostname: str | None = None
    port: str | None = None
    location: str | None = None
    shares_needed: int | None = None
    shares_happy: int | None = None
    shares_total: int | None = None
    storage: bool = False
    storage_dir: str | None = None
    reserved_space: str | None = None
    no_vdrive: bool | None = None
    no_public_root: bool | None = None


def create(basedir: Path, answers: Answers) -> bool:
    """Make *basedir* a node directory; tell whether it had to be made.

    :raises UsageError: the answers contradict each other or would not start
    :raises ConflictError: the directory holds something else already
    """
    _refuse_contradictions(answers)
    if _made_already(basedir, answers):
        return False
    text = _config_text(answers)
    try:
        config.parse(text.encode(), basedir, answers.kind)
    except ConfigError as e:
        what = e.message.removeprefix(f"{basedir / config.CFG}:")
        raise UsageError(
            "a node with these options would not start",
            why=f"its {config.CFG}, line {what}",
            fix=e.fix,
        ) from e
    _write(basedir, answers, text)
    return True


def _refuse_contradictions(answers: Answers) -> None:
    for name, value in asdict(answers).items():
        if isinstance(value, str) and not value.isprintable():
            raise UsageError(f"--{name.replace('_', '-')} holds a character that can't be")
    for name, furl in (("introducer", answers.introducer), ("vdrive", answers.vdrive)):
        if furl and not is_furl(furl):
            raise UsageError(f"--{name} is not a FURL", fix=f"give {FURL.allowed}")
    if answers.hostname and (answers.port or answers.location):
        raise UsageError(
            "--hostname chooses port and location by itself",
            fix="give --hostname alone, or --port and --location",
        )
    if answers.location and not answers.port:
        raise UsageError("--location needs --port", fix="--port tcp:4000, for example")
    _refuse_not_listening(answers)


def _refuse_not_listening(answers: Answers) -> None:
    if answers.listen:
        return
    if answers.hostname or answers.port:
        raise UsageError(
            "--listen none goes with neither --hostname, --port nor --location"
        )
    if answers.kind != "client":
        who = "an introducer" if answers.kind == "introducer" else "a vdrive server"
        raise UsageError(f"{who} must listen")
    if answers.storage:
        raise UsageError(
            "a storage node must listen", fix="add --no-storage, or drop --listen none"
        )


def _made_already(basedir: Path, answers: Answers) -> bool:
    """Tell whether *basedir* was made whole with *answers*.

    :raises ConflictError: it holds anything else
    """
    if basedir.exists() and not basedir.is_dir():
        raise ConflictError(f"{basedir} is there and no directory")
    if not basedir.exists() or not any(basedir.iterdir()):
        return False
    try:
        earlier = json.loads((basedir / "private" / CREATED).read_text())
    except (OSError, ValueError):
        raise ConflictError(
            f"The base directory {str(basedir)!r} is not empty.",
            why="it was not made by this command, so nothing in it was changed",
            fix="choose another directory, or empty this one",
        ) from None
    now = asdict(answers)
    other = [name for name in now if earlier.get(name) != now[name]]
    if other:
        names = ", ".join(name.replace("_", "-") for name in other)
        raise ConflictError(
            f"{basedir} is a node directory already, made with other answers",
            why=f"different: {names}; nothing was changed",
            fix=f"edit {basedir / config.CFG}, or choose another directory",
        )
    return (basedir / config.CFG).exists()


def _write(basedir: Path, answers: Answers, text: str) -> None:
    private = basedir / "private"
    make_private_directory(basedir)
    make_private_directory(private)
    record = json.dumps(asdict(answers), indent=1) + "\n"
    write_atomically(private / CREATED, record.encode(), private=True)
    if answers.introducer:
        known = f"introducers:\n  default:\n    furl: {json.dumps(answers.introducer)}\n"
        write_atomically(private / "introducers.yaml", known.encode(), private=True)
    if answers.vdrive:
        vdrive = f"{answers.vdrive}\n"
        write_atomically(private / "vdrive.furl", vdrive.encode(), private=True)
    tac = _TAC.format(kind=answers.kind)
    write_atomically(basedir / f"tahoe-{answers.kind}.tac", tac.encode())
    write_atomically(basedir / config.CFG, text.encode())


# ---- tahoe.cfg --------------------------------------------------------------------------


def _config_text(answers: Answers) -> str:
    sections = [_node_section(answers)]
    shares = _shares_lines(answers)
    if answers.kind == "client":
        sections.append(["[client]", *shares])
        sections.append(_storage_section(answers))
    elif shares:
        sections.append(["[introducer]", *shares])
    sections += _vdrive_section(answers)
    head = "# What each key means, and which others there are: docs/configuration.md\n"
    return head + "".join("\n" + "\n".join(lines) + "\n" for lines in sections)


def _node_section(answers: Answers) -> list[str]:
    client = answers.kind == "client"
    lines = ["[node]"]
    if client or answers.nickname:
        lines.append(f"nickname = {answers.nickname or ''}".rstrip())
    webport = answers.webport or (_web_port() if client else "none")
    lines.append(f"web.port = {'' if webport == 'none' else webport}".rstrip())
    port, location = answers.port, answers.location
    if not answers.listen:
        port = location = "disabled"
    elif answers.hostname:
        number = _free_port()
        port, location = f"tcp:{number}", f"tcp:{answers.hostname}:{number}"
    unset = "unset: a port is chosen at the first start"
    lines.append(f"tub.port = {port}" if port else f"# tub.port = tcp:PORT      ({unset})")
    unset = "unset: every address of this machine"
    hint = f"# tub.location = AUTO      ({unset})"
    lines.append(f"tub.location = {location}" if location else hint)
    return lines


def _shares_lines(answers: Answers) -> list[str]:
    given = {
        "needed": answers.shares_needed,
        "happy": answers.shares_happy,
        "total": answers.shares_total,
    }
    return [
        f"shares.{name} = {value}" for name, value in given.items() if value is not None
    ]


def _storage_section(answers: Answers) -> list[str]:
    lines = ["[storage]", f"enabled = {'true' if answers.storage else 'false'}"]
    if answers.storage:
        lines.append(f"reserved_space = {answers.reserved_space or RESERVED_SPACE}")
    if answers.storage_dir:
        lines.append(f"storage_dir = {answers.storage_dir}")
    return lines


def _vdrive_section(answers: Answers) -> list[list[str]]:
    lines = ["enabled = false"] if answers.no_vdrive else []
    lines += ["public_root = false"] if answers.no_public_root else []
    return [["[vdrive]", *lines]] if lines else []


def _web_port() -> str:
    """Return where a gateway listens by default: elsewhere, if somebody else is there."""
    number = _WEB if is_free(_WEB) else free_ports(1)[0]
    return f"tcp:{number}:interface={LOOPBACK}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        number: int = probe.getsockname()[1]
    return number
