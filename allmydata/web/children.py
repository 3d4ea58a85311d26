"""Children of directories as JSON: told to programs, and taken from them.

    ["filenode", {"mutable": false, "format": "CHK", "size": 100,
                  "metadata": {"tahoe": {"linkcrtime": 1.0, "linkmotime": 2.0}},
                  "ro_uri": "URI:CHK:…", "verify_uri": "URI:CHK-Verifier:…"}]
    ["dirnode",  {"mutable": true, "metadata": …, "rw_uri": …, "ro_uri": …}]
    ["unknown",  {"metadata": …, "ro_uri": …}]

A directory has thousands of them, nearly all of them files: those are told from the text
of their capabilities alone.  Format: docs/webapi.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

from attrs import field, frozen

from allmydata import uri
from allmydata.crypto.hashutil import storage_index_hash
from allmydata.errors import BadCapError, BadNameError, GridError, UsageError
from allmydata.util import base32
from allmydata.util.names import check_name, shown
from allmydata.web.errors import HTTPError

IMMUTABLE = uri.CHKFileURI | uri.CHKFileVerifierURI | uri.LiteralFileURI
MUTABLE = uri.MutableFileURI | uri.ReadOnlyMutableFileURI | uri.MutableFileVerifierURI
VERIFIERS = uri.CHKFileVerifierURI | uri.MutableFileVerifierURI
DIR2 = uri.Dir2URI | uri.Dir2VerifierURI
Facts = list[Any]  # kind and properties
Caps = str | tuple[str | None, str | None]  # one, or one to write and one to read

_CHK = (
    re.compile(  # only what uri.from_string takes; the last characters have bits to spare
        r"URI:CHK:([a-z2-7]{25}[aeimquy4]):([a-z2-7]{51}[aq]"
        r":([1-9]\d{0,2}):([1-9]\d{0,2}):([1-9]\d{0,17}))",
        re.ASCII,
    )
)
_DATES = ["linkcrtime", "linkmotime"]
_to_json = json.JSONEncoder().encode
_quoted = json.encoder.encode_basestring_ascii


# ---- told ------------------------------------------------------------------------------


def facts_of(cap: uri.Cap | None, readonly: uri.Cap | None, metadata: Any = None) -> Facts:
    """Return what is told of one object.

    :param cap: the strongest held; None for none
    :param metadata: of the link that led to it; None where none did
    """
    facts: dict[str, Any] = {}
    if isinstance(cap, uri.Directory):
        kind, facts["mutable"] = "dirnode", cap.is_mutable()
    elif isinstance(cap, MUTABLE):
        kind = "filenode"
        facts |= {"mutable": True, "format": cap.format}
    elif isinstance(cap, IMMUTABLE):
        kind = "filenode"
        facts |= {"mutable": False, "format": "CHK", "size": cap.get_size()}
    else:
        kind = "unknown"
    if metadata is not None:
        facts["metadata"] = metadata
    if cap is not None and cap != readonly:
        facts["rw_uri"] = cap.to_string()
    if readonly is not None and not isinstance(cap, VERIFIERS | uri.Dir2VerifierURI):
        facts["ro_uri"] = readonly.to_string()
    if isinstance(cap, MUTABLE | DIR2 | uri.CHKFileURI | uri.CHKFileVerifierURI):
        verify_cap = cap.get_verify_cap()
        facts |= {"verify_uri": verify_cap.to_string()} if verify_cap else {}
    return [kind, facts]


def facts_of_child(child: Any) -> Facts:
    """Return what is told of a child that a directory node listed."""
    write, read = child.texts
    size_and_verify = None if write else _facts_of_file(read)
    if size_and_verify is None:
        return facts_of(child.cap, child.readonly_cap, child.metadata)
    size, verify = size_and_verify
    facts = {
        "mutable": False,
        "format": "CHK",
        "size": int(size),
        "metadata": child.metadata,
        "ro_uri": read,
        "verify_uri": verify,
    }
    return ["filenode", facts]


def as_members(page: Iterable[Any]) -> str:
    """Return a page of children as members of a JSON object, one a line."""
    return ",\n".join([f"{_quoted(one.name)}: {_as_text(one)}" for one in page])


def _as_text(child: Any) -> str:
    """Return what :func:`facts_of_child` tells, as ``json.dumps`` writes it."""
    write, read = child.texts
    size_and_verify = None if write else _facts_of_file(read)
    if size_and_verify is None:
        return _to_json(facts_of(child.cap, child.readonly_cap, child.metadata))
    size, verify = size_and_verify  # neither has, nor has the capability, what needs a \\
    return (
        f'["filenode", {{"mutable": false, "format": "CHK", "size": {size}, '
        f'"metadata": {_metadata_as_text(child.metadata)}, '
        f'"ro_uri": "{read}", "verify_uri": "{verify}"}}]'
    )


def _metadata_as_text(metadata: Mapping[str, Any]) -> str:
    """Return it as JSON; most have no more than the two dates."""
    dates = metadata.get("tahoe")
    if len(metadata) == 1 and type(dates) is dict and [*dates] == _DATES:
        created, changed = dates.values()
        if type(created) is type(changed) is float and isfinite(created + changed):
            return f'{{"tahoe": {{"linkcrtime": {created!r}, "linkmotime": {changed!r}}}}}'
    return _to_json(metadata)


def _facts_of_file(read: str) -> tuple[str, str] | None:
    """Return size and verify capability of an immutable file; None for anything else."""
    found = _CHK.fullmatch(read)
    if not found:
        return None
    key, rest, k, n, size = found.groups()
    if not int(k) <= int(n) <= 256:
        return None
    index = base32.b2a(storage_index_hash(base32.a2b(key)))
    return size, f"URI:CHK-Verifier:{index}:{rest}"


# ---- taken -----------------------------------------------------------------------------


@frozen
class Children:
    """What is to be put under which name.

    :param metadata: what is said of them; not of all
    """

    caps: Mapping[str, Caps] = field(repr=False)
    metadata: Mapping[str, Mapping[str, Any]]

    async def put_into(self, node: Any) -> None:
        """Put them in place, if there are any."""
        if self.caps:
            await node.set_children(self.caps, True, self.metadata)


def read_children(body: bytes) -> Children:
    """Return what is to be put under which name; an empty body is no children.

    :raises UsageError: it is not the JSON that it should be
    :raises BadNameError: a name can't be one
    :raises HTTPError: a capability can't be one of a child
    """
    try:
        children = json.loads(body or b"{}")
    except (ValueError, RecursionError) as e:
        raise UsageError("the children are not JSON", why=str(e)) from e
    if not isinstance(children, dict):
        raise UsageError("the children must be a JSON object")
    found: dict[str, Caps] = {}
    said: dict[str, dict[str, Any]] = {}
    for name, value in children.items():
        name = check_name(name)
        if name in found:
            raise BadNameError(f"the name {shown(name)} is there twice")
        found[name] = _read_child(name, value)
        if isinstance(value[1].get("metadata"), dict):
            said[name] = value[1]["metadata"]
    return Children(found, said)


def _read_child(name: str, value: Any) -> Caps:
    match value:
        case [str(), dict(facts)]:
            write, read = facts.get("rw_uri") or None, facts.get("ro_uri") or None
        case _:
            raise UsageError(f'child {shown(name)} must be like ["filenode", {{…}}]')
    if not isinstance(write, str | None) or not isinstance(read, str | None):
        raise UsageError(f"child {shown(name)}: a capability must be text")
    try:
        return _to_link(write, read)
    except GridError as e:
        e.message = f"child {shown(name)}: {e.message}"
        raise


def _to_link(write: str | None, read: str | None) -> Caps:
    if read is not None and not _CHK.fullmatch(read):
        uri.from_string(read)
    if write is not None:
        is_known = not isinstance(uri.from_string(write), uri.UnknownURI)
        # what is unknown can't be weakened: the second is taken for what it is told to be
        return check_link(write) if is_known or read is None else (write, read)
    if read is None:
        raise UsageError("it has neither rw_uri nor ro_uri")
    return None, read


def check_link(text: str) -> str:
    """Return a capability to be given a name.

    :raises BadCapError: it is none
    :raises HTTPError: it is of an unknown kind, and may hold more authority than a
        read-only view of its directory should give
    """
    cap = uri.from_string(text)
    if isinstance(cap, uri.UnknownURI) and not cap.is_readonly():
        raise _UnknownWriteError()
    return cap.to_string()


class _UnknownWriteError(HTTPError):
    code = BadCapError.code

    def __init__(self) -> None:
        super().__init__(
            400,
            "MustNotBeUnknownRWError: this version does not know this kind of capability, "
            "and can't make a read-only one of it",
        )
