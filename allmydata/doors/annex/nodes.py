"""Which node a remote asks, and what that says of a file.

The first of these that is there: the directory that the remote's ``node=`` names, its
``node-url=``, $TAHOE_NODE_DIRECTORY, ``~/.tahoe``.  A directory that another clone named
need not exist on this machine.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from allmydata.errors import GridError, NodeNotReadyError, UsageError
from allmydata.webapi import NodeHTTP, RemoteNodeError


def find_node(directory: str, url: str, environment: Mapping[str, str]) -> NodeHTTP:
    """Return the gateway to ask: looked up anew each time, for its address may change.

    :param directory: the remote's ``node=``, or empty
    :param url: its ``node-url=``, or empty
    :raises NodeNotRunningError: the node never offered one
    :raises UsageError: *url* is none
    """
    if directory and Path(directory).expanduser().is_dir():
        return NodeHTTP.of_directory(Path(directory).expanduser().absolute())
    if url:
        return NodeHTTP(_checked(url))
    other = environment.get("TAHOE_NODE_DIRECTORY") or "~/.tahoe"
    return NodeHTTP.of_directory(Path(other).expanduser().absolute())


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(
            "node-url is no address of a gateway",
            fix="node-url=http://127.0.0.1:3456/, for example",
        )
    return url.rstrip("/")


def can_be_read(node: NodeHTTP, cap: str) -> bool:
    """Ask the storage servers whether the file *cap* can be brought back.

    :raises NodeNotReadyError: it can't now, and servers that may have it are away
    """
    answer = node.ask("POST", f"/uri/{quote(cap, safe='')}?t=check&output=JSON")
    try:
        results = json.loads(answer)["results"]
        found = bool(results.get("recoverable", results["healthy"]))
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise RemoteNodeError("failed", "the node checks files in no known way") from e
    if not found:
        _refuse_to_judge(node)
    return found


def _refuse_to_judge(node: NodeHTTP) -> None:
    servers: list[Any] = node.json("/?t=json")["servers"]
    up = sum(_is_up(one) for one in servers)
    if up < len(servers) or not servers:
        raise NodeNotReadyError(
            "too few shares are found, but not all servers answer",
            why=f"{up} of {len(servers)} servers are connected",
            fix="try again when they are",
        )


def _is_up(server: Any) -> bool:
    return str(server["connection_status"]).lower().startswith("connected")


def told(error: BaseException) -> str:
    """Return the one line in which git-annex shows *error*."""
    if isinstance(error, GridError):
        parts = [error.message, error.why and f"({error.why})"]
        text = " ".join(part for part in parts if part)
        return f"{text}; fix: {error.fix}" if error.fix else text
    if isinstance(error, OSError):
        where = f"{os.path.basename(str(error.filename))}: " if error.filename else ""
        return f"{where}{error.strerror or type(error).__name__}"
    return f"unforeseen {type(error).__name__}"
