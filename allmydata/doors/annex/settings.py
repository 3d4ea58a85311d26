"""What a remote is set to, and how it is made: the directory, the node."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping

from attrs import field, frozen

from allmydata.doors.annex.asking import Annex
from allmydata.doors.annex.names import path_of
from allmydata.doors.annex.nodes import find_node
from allmydata.errors import BadCapError, ConfigError, UsageError
from allmydata.webapi import NodeHTTP

CREDENTIAL = "dircap"  # what git-annex keeps the directory's capability under
VARIABLE = "TAHOEGRID_CAP"
CONFIGS = {
    "mode": "dir: names in a directory of the grid; state: capabilities in git-annex",
    "node": "directory of the node to use, if not $TAHOE_NODE_DIRECTORY or ~/.tahoe",
    "node-url": "or the address of its gateway",
    "presence": "names: the directory is asked; shares: the servers too",
    "directory": "which directory it is; set by initremote",
}


@frozen
class Settings:
    """What GETCONFIG says of a remote, checked."""

    mode: str
    presence: str
    directory: str  # the fingerprint of its capability
    is_export: bool
    _node_directory: str
    _node_url: str
    _environment: Mapping[str, str] = field(factory=lambda: os.environ, repr=False)

    @classmethod
    def ask(cls, annex: Annex) -> Settings:
        """Ask git-annex.

        :raises UsageError: they make no sense
        """
        mode = _one_of(annex, "mode", "dir", "state")
        usual = ("names", "shares") if mode == "dir" else ("shares", "names")
        presence = _one_of(annex, "presence", *usual)
        directory = annex.config("directory")
        if directory.startswith("URI:"):
            raise UsageError(
                "directory= is no place for a capability: all clones would show it",
                fix=f"give it in the environment, as {VARIABLE}",
            )
        is_export = annex.config("exporttree") == "yes"
        if is_export and mode == "state":
            raise UsageError(
                "exporttree=yes needs names, and mode=state has none", fix="mode=dir"
            )
        node = annex.config("node"), annex.config("node-url")
        return cls(mode, presence, directory, is_export, *node)

    @property
    def asks_servers(self) -> bool:
        """Whether presence is a matter of shares."""
        return self.presence == "shares"

    def node(self) -> NodeHTTP:
        """Return the gateway, as it can be reached now."""
        return find_node(self._node_directory, self._node_url, self._environment)

    def directory_cap(self, annex: Annex) -> str:
        """Return the capability of the remote's directory: this clone's, or the given.

        :raises ConfigError: neither is there, or it is that of another directory
        """
        found = [annex.secret(CREDENTIAL), self._environment.get(VARIABLE, "")]
        caps = [cap.strip() for cap in found if cap.strip()]
        if not caps:
            raise ConfigError(
                "this clone does not hold the capability of the remote's directory",
                fix=f"{VARIABLE}=URI:… git annex enableremote NAME",
            )
        prints = [fingerprint(cap) for cap in caps]
        if not self.directory:
            return caps[-1]
        if self.directory not in prints:
            raise ConfigError(
                f"the capability given is not that of directory {self.directory}",
                why=f"it is that of {prints[-1]}",
            )
        return caps[prints.index(self.directory)]

    def has_cap(self, annex: Annex) -> bool:
        """Tell whether a directory has been given, or made."""
        return bool(annex.secret(CREDENTIAL) or self._environment.get(VARIABLE))


def set_up(annex: Annex) -> None:
    """Make a remote, or enable it in this clone: once more changes nothing.

    :raises GridError: it can't be
    """
    settings = Settings.ask(annex)
    node = settings.node()
    if settings.mode == "state":
        node.json("/?t=json")
        return
    is_known = settings.directory or settings.has_cap(annex)
    cap = settings.directory_cap(annex) if is_known else node.mkdir()
    node.json(path_of(cap, ()) + "?t=json")
    annex.set_secret(CREDENTIAL, cap)
    if not settings.directory:
        annex.set_config("directory", fingerprint(cap))


def fingerprint(cap: str) -> str:
    """Return what tells directories apart, and nothing of their capabilities.

    It is the same for whoever may change a directory and whoever may only read it.

    :raises BadCapError: *cap* is not that of a directory
    """
    from allmydata import uri

    known = uri.from_string(cap)
    if not cap.startswith("URI:DIR") or isinstance(known, uri.UnknownURI):
        raise BadCapError("this is not the capability of a directory")
    readonly = known.get_readonly().to_string()
    return hashlib.sha256(b"tahoegrid directory " + readonly.encode()).hexdigest()[:16]


def _one_of(annex: Annex, name: str, usual: str, *others: str) -> str:
    value = annex.config(name) or usual
    if value not in (usual, *others):
        words = " or ".join((usual, *others))
        raise UsageError(f"{name}={value[:40]!r} is not known", fix=f"{name}={words}")
    return value
