"""``tahoe debug``: look into capabilities and share files, without any node."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from attrs import frozen

from allmydata import uri
from allmydata.cli.session import Session, json_option, pass_session, show
from allmydata.errors import BadCapError, BadShareError, NotFoundError, UsageError
from allmydata.formats import extension
from allmydata.formats.container import HEADER, Container, parse_leases
from allmydata.formats.share import HEADER_SIZE, ShareLayout
from allmydata.node import config
from allmydata.util import base32

_FILE = click.Path(path_type=Path, exists=False)
MUTABLE = uri.MutableFileURI | uri.ReadOnlyMutableFileURI | uri.MutableFileVerifierURI


@click.group()
def debug() -> None:
    """Look into capabilities and shares; damage shares.

    None of these needs a node to run; none prints a key.
    """


# ---- capabilities ------------------------------------------------------------------------


@debug.command("dump-cap")
@click.argument("cap")
@json_option
def dump_cap(cap: str, as_json: bool) -> None:
    """Print what CAP says, but for its key."""
    found = uri.from_string(cap)
    is_known = not isinstance(found, uri.UnknownURI)
    kind = found.to_string().split(":")[1] if is_known else "unknown"
    facts: dict[str, Any] = {"kind": kind}
    if isinstance(found, uri.Dir2URI | uri.Dir2VerifierURI):
        found = found.file
    if isinstance(found, MUTABLE):
        facts["storage_index"] = base32.b2a(found.storage_index)
    if isinstance(found, uri.CHKFileURI | uri.CHKFileVerifierURI):
        facts |= {
            "storage_index": base32.b2a(found.storage_index),
            "uri_extension_hash": base32.b2a(found.uri_extension_hash),
            "needed_shares": found.needed_shares,
            "total_shares": found.total_shares,
        }
    if isinstance(found, uri.CHKFileURI | uri.CHKFileVerifierURI | uri.LiteralFileURI):
        facts["size"] = found.get_size()
    facts |= {"readonly": found.is_readonly(), "mutable": found.is_mutable()}
    _show_facts(facts, as_json)


# ---- finding shares ----------------------------------------------------------------------


@debug.command("find-shares")
@click.argument("what", metavar="CAP|STORAGE_INDEX")
@click.argument("directories", nargs=-1, type=_FILE, metavar="[DIR]...")
@json_option
@pass_session
def find_shares(
    session: Session, what: str, directories: tuple[Path, ...], as_json: bool
) -> None:
    """Print the path of each share of a file that lies under DIR...

    Each DIR is a node directory or a storage directory; by default, the node's.
    """
    index = _storage_index(what)
    roots = [_storage_directory(path) for path in directories or (session.basedir(),)]
    paths = sorted(path for root in roots for path in _shares_of(root, index))
    if not paths:
        raise NotFoundError(f"no share of {index[:5]}… in {len(roots)} directories")
    if as_json:
        show({"storage_index": index, "shares": [str(path) for path in paths]})
    else:
        click.echo("\n".join(str(path) for path in paths))


def _storage_index(what: str) -> str:
    if not what.strip().startswith(("URI:", "ro.", "imm.")):
        try:
            data = base32.a2b(what)
        except ValueError:
            data = b""
        if len(data) != 16:
            raise UsageError("neither a capability nor the 26 letters of a storage index")
        return what
    cap = uri.from_string(what)
    if not isinstance(cap, uri.CHKFileURI | uri.CHKFileVerifierURI):
        raise BadCapError("a capability of something that has no shares")
    return base32.b2a(cap.storage_index)


def _storage_directory(path: Path) -> Path:
    """Return where the shares are kept: *path* is a node's directory, or just that."""
    if not path.is_dir():
        raise NotFoundError(f"there is no directory {path}")
    if (path / config.CFG).exists():
        return config.read(path).storage_dir
    return path


def _shares_of(storage: Path, index: str) -> Iterator[Path]:
    bucket = storage / "shares" / index[:2] / index
    if bucket.is_dir():
        yield from (path for path in bucket.iterdir() if path.name.isdecimal())


# ---- one share ---------------------------------------------------------------------------


@frozen
class ShareOnDisk:
    """A share file that has been parsed; parts by name, as offset in the file and size."""

    container: Container
    layout: ShareLayout
    parts: dict[str, tuple[int, int]]
    extension: bytes
    leases: bytes


@debug.command("dump-share")
@click.argument("file", type=_FILE)
@json_option
def dump_share(file: Path, as_json: bool) -> None:
    """Print what the share in FILE says of itself; no hash is checked."""
    share = _parse(_read(file))
    facts: dict[str, Any] = {
        "container_version": share.container.version,
        "share_size": share.container.data_size,
        "share_version": share.layout.version,
        "block_size": share.layout.block_size,
        "data_size": share.layout.data_size,
        "parts": {
            name: {"offset": offset, "size": size}
            for name, (offset, size) in share.parts.items()
        },
        "extension": dict(_extension_facts(share.extension)),
        "leases": [
            {"owner": lease.owner, "expires": lease.expires}
            for lease in parse_leases(share.leases)
        ],
    }
    _show_facts(facts, as_json)


def _extension_facts(block: bytes) -> Iterable[tuple[str, str | int]]:
    for name, value in extension.unpack(block).items():
        if name.endswith("hash"):
            yield name, base32.b2a(value)
        else:
            text = value.decode("ascii", "replace")
            yield name, int(text) if text.isdecimal() else text


@debug.command("corrupt-share")
@click.argument("file", type=_FILE)
@click.option(
    "--part",
    type=click.Choice(
        [
            *("header", "block", "plaintext-hashes", "crypttext-hashes"),
            *("block-hashes", "share-hashes", "extension"),
        ]
    ),
    default="block",
    show_default=True,
    help="Where to flip a bit.",
)
@click.option(
    "--offset",
    type=click.IntRange(0),
    metavar="NUM",
    help="The byte, from the start of the part. Default: its middle; the header's version.",
)
@json_option
def corrupt_share(file: Path, part: str, offset: int | None, as_json: bool) -> None:
    """Flip one bit of the share in FILE, for a test, and say where."""
    start, size = _parse(_read(file)).parts[part]
    if offset is None:
        offset = 3 if part == "header" else size // 2
    if offset >= size:
        raise UsageError(f"{part} has {size} bytes, so no byte {offset}")
    with open(file, "r+b", buffering=0) as f:
        f.seek(start + offset)
        before = f.read(1)[0]
        f.seek(start + offset)
        f.write(bytes([before ^ 1]))
    facts = {"part": part, "offset": offset, "file_offset": start + offset}
    facts |= {"before": before, "after": before ^ 1}
    _show_facts(facts, as_json)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError as e:
        raise NotFoundError(f"there is no file {file}") from e


def _parse(data: bytes) -> ShareOnDisk:
    """Take a share file apart.

    :raises BadShareError: it does not parse
    """
    container = Container.parse(data[: HEADER.size + 32], len(data))
    at, size = container.clip(0, container.data_size)
    share = memoryview(data)[at : at + size]
    layout = ShareLayout.parse(bytes(share[:HEADER_SIZE]))
    if layout.uri_extension > size:
        raise BadShareError(f"the share has {size} bytes, wanted {layout.uri_extension} up")
    block = layout.unpack_extension(bytes(share[layout.uri_extension :]))
    starts = {
        "header": 0,
        "block": layout.data,
        "plaintext-hashes": layout.plaintext_hashes,
        "crypttext-hashes": layout.crypttext_hashes,
        "block-hashes": layout.block_hashes,
        "share-hashes": layout.share_hashes,
        "extension": layout.uri_extension,
    }
    ends = [*list(starts.values())[1:], layout.total_size(len(block))]
    parts = {
        name: (at + start, end - start)
        for (name, start), end in zip(starts.items(), ends, strict=True)
    }
    return ShareOnDisk(container, layout, parts, block, data[container.lease_offset(0) :])


def _show_facts(facts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show(facts)
    else:
        click.echo("\n".join(_lines(facts)))


def _lines(facts: dict[str, Any], indent: str = "") -> Iterator[str]:
    for name, value in facts.items():
        label = f"{indent}{name.replace('_', ' ')}:"
        if isinstance(value, dict) and name == "parts":
            yield label
            for part, where in value.items():
                yield f"  {part}: {where['size']} bytes at {where['offset']}"
        elif isinstance(value, dict):
            yield label
            yield from _lines(value, indent + "  ")
        elif isinstance(value, list):
            yield label
            for item in value:
                yield "  " + ", ".join(f"{k} {v}" for k, v in item.items())
        else:
            yield f"{label} {value}"
