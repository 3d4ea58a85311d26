"""tahoe.cfg, read once at start into one frozen, validated object.

An unknown key or section, or a bad value, is an error that names file and line; a
1.20 key that we don't use is named in a warning.  Format: docs/formats/node.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

from attrs import frozen

from allmydata.errors import ConfigError, NotFoundError
from allmydata.node.cfgfile import Entries, Entry, read_entries
from allmydata.node.schema import (
    BOOL,
    DIRECTORY,
    DURATION,
    ENDPOINT,
    EXPIRE_CUTOFF,
    EXPIRE_DRY_RUN,
    EXPIRE_DURATION,
    EXPIRE_ENABLED,
    EXPIRE_GRACE,
    EXPIRE_IMMUTABLE,
    EXPIRE_MODE,
    EXPIRE_MUTABLE,
    FURL,
    HINTS,
    HIVE_AUTH,
    HIVE_ENABLED,
    HIVE_MAX_SIZE,
    HIVE_PORT,
    HOST_NAMES,
    LOG_FILE,
    NOT_USED,
    OLD_FILES,
    PLUGIN_SECTIONS,
    PORTS,
    QUOTA,
    SECONDS,
    SECTIONS,
    SHARES,
    SIZE,
    TEXT,
    Key,
    choice,
    whole,
)

CFG = "tahoe.cfg"
_LEVELS = choice("debug", "info", "warning", "error")


@frozen
class NodeConfig:
    """All that a tahoe.cfg says, defaults filled in.  Paths are absolute.

    ``tub_ports`` and ``tub_hints`` are None when unset (choose a port; AUTO), and empty
    when disabled: such a node listens to nobody.
    """

    basedir: Path
    kind: str  # "client" (storage nodes too), "introducer" or "vdrive"
    warnings: tuple[str, ...]

    nickname: Annotated[
        str, Key("node", "nickname", TEXT, "<unspecified>", "shown to others")
    ]
    zone: Annotated[
        str, Key("node", "zone", TEXT, "", "where the machine is; shares spread over zones")
    ]
    web_port: Annotated[
        str | None, Key("node", "web.port", ENDPOINT, None, "the web gateway; unset: none")
    ]
    web_hosts: Annotated[
        tuple[str, ...],
        Key(
            "node",
            "web.hosts",
            HOST_NAMES,
            "",
            "names of the gateway, beside addresses and `localhost`",
        ),
    ]
    tub_ports: Annotated[
        tuple[str, ...] | None,
        Key("node", "tub.port", PORTS, None, "where to listen; unset: a port chosen once"),
    ]
    tub_hints: Annotated[
        tuple[str, ...] | None,
        Key("node", "tub.location", HINTS, None, "where others find us; unset: `AUTO`"),
    ]
    reveal_ip_address: Annotated[
        bool, Key("node", "reveal-IP-address", BOOL, "true", "false is refused: no Tor yet")
    ]
    timeout_keepalive: Annotated[
        int, Key("node", "timeout.keepalive", SECONDS, "240", "s of silence before a ping")
    ]
    timeout_disconnect: Annotated[
        int | None,
        Key("node", "timeout.disconnect", SECONDS, None, "s of silence before we hang up"),
    ]
    log_level: Annotated[str, Key("node", "log.level", _LEVELS, "info", "least to log")]
    log_file: Annotated[
        Path | None,
        Key("node", "log.file", LOG_FILE, None, "`tahoe start`: `logs/node.log`, run: `-`"),
    ]
    log_format: Annotated[
        str, Key("node", "log.format", choice("text", "json"), "text", "one event a line")
    ]
    log_max_size: Annotated[
        int, Key("node", "log.max_size", SIZE, "10M", "a log file is rotated at this size")
    ]
    log_keep: Annotated[int, Key("node", "log.keep", whole(0), "5", "old log files kept")]
    connections_tcp: Annotated[
        str,
        Key("connections", "tcp", choice("tcp", "tor", "disabled"), "tcp", "`tcp:` hints"),
    ]
    introducer_furl: Annotated[
        str | None,
        Key("client", "introducer.furl", FURL, None, "old; use `private/introducers.yaml`"),
    ]
    vdrive_furl: Annotated[
        str | None,
        Key("client", "vdrive.furl", FURL, None, "wins over `private/vdrive.furl`"),
    ]
    shares_needed: Annotated[
        int | None,
        Key(
            "client",
            "shares.needed",
            SHARES,
            None,
            "k; unset: as the introducer says, or 3",
        ),
    ]
    shares_happy: Annotated[
        int | None,
        Key(
            "client", "shares.happy", SHARES, None, "servers a file must reach; unset: … 7"
        ),
    ]
    shares_total: Annotated[
        int | None, Key("client", "shares.total", SHARES, None, "n; unset: … 10")
    ]
    client_force_foolscap: Annotated[
        bool,
        Key(
            "client",
            "force_foolscap",
            BOOL,
            "false",
            "never speak HTTP to a storage server",
        ),
    ]
    storage_enabled: Annotated[
        bool, Key("storage", "enabled", BOOL, "true", "keep shares for others")
    ]
    storage_readonly: Annotated[
        bool, Key("storage", "readonly", BOOL, "false", "take no new shares")
    ]
    storage_reserved_space: Annotated[
        int,
        Key("storage", "reserved_space", SIZE, "0", "take no shares below this much free"),
    ]
    storage_max_size: Annotated[
        int | None, Key("storage", "max_size", SIZE, None, "the most bytes of shares kept")
    ]
    storage_dir: Annotated[
        Path, Key("storage", "storage_dir", DIRECTORY, "storage", "where shares are kept")
    ]
    storage_quota: Annotated[int | None, QUOTA]
    expire_enabled: Annotated[bool, EXPIRE_ENABLED]
    expire_mode: Annotated[Literal["age", "cutoff-date"] | None, EXPIRE_MODE]
    expire_duration: Annotated[int | None, EXPIRE_DURATION]
    expire_cutoff: Annotated[int | None, EXPIRE_CUTOFF]
    expire_immutable: Annotated[bool, EXPIRE_IMMUTABLE]
    expire_mutable: Annotated[bool, EXPIRE_MUTABLE]
    expire_grace: Annotated[int, EXPIRE_GRACE]
    expire_dry_run: Annotated[bool, EXPIRE_DRY_RUN]
    storage_force_foolscap: Annotated[
        bool, Key("storage", "force_foolscap", BOOL, "false", "offer no HTTP storage")
    ]
    keeper_enabled: Annotated[
        bool, Key("keeper", "enabled", BOOL, "true", "look after the files it is given")
    ]
    keeper_bandwidth: Annotated[
        int,
        Key("keeper", "bandwidth", SIZE, "1M", "bytes a second it may move; 0: any number"),
    ]
    keeper_check_every: Annotated[
        int, Key("keeper", "check_every", DURATION, "1 d", "how often a file is looked at")
    ]
    keeper_verify_every: Annotated[
        int, Key("keeper", "verify_every", DURATION, "7 d", "how often a sample is read")
    ]
    keeper_patience: Annotated[
        int,
        Key("keeper", "patience", DURATION, "4 h", "how long a server may just be away"),
    ]
    hive_enabled: Annotated[bool, HIVE_ENABLED]
    hive_port: Annotated[str, HIVE_PORT]
    hive_auth: Annotated[str, HIVE_AUTH]
    hive_max_size: Annotated[int | None, HIVE_MAX_SIZE]
    advice_needed: Annotated[
        int | None,
        Key("introducer", "shares.needed", SHARES, None, "k for clients that set none"),
    ]
    advice_happy: Annotated[
        int | None, Key("introducer", "shares.happy", SHARES, None, "the same, happy")
    ]
    advice_total: Annotated[
        int | None, Key("introducer", "shares.total", SHARES, None, "the same, n")
    ]
    told_vdrive_furl: Annotated[
        str | None,
        Key("introducer", "vdrive.furl", FURL, None, "told to clients; unset: its own"),
    ]
    vdrive_enabled: Annotated[
        bool, Key("vdrive", "enabled", BOOL, "true", "keep directories for others")
    ]
    vdrive_public_root: Annotated[
        bool, Key("vdrive", "public_root", BOOL, "true", "offer one root to everybody")
    ]

    @property
    def listens(self) -> bool:
        """Tell whether others can connect to this node."""
        return self.tub_ports is None or bool(self.tub_ports)


def read(basedir: Path, kind: str | None = None) -> NodeConfig:
    """Read the configuration of the node in *basedir*.

    :param kind: ``client``, ``introducer``, ``vdrive``; by default what the ``*.tac`` says
    :raises NotFoundError: no such directory
    :raises ConfigError: everything else that is wrong, with file and line
    """
    basedir = Path(basedir).expanduser().absolute()
    kind = kind or detect_kind(basedir)
    path = basedir / CFG
    try:
        text = path.read_bytes()
    except OSError as e:
        raise ConfigError(
            f"{path} can't be read",
            why=e.strerror or "",
            fix="make a node directory with tahoe create-client or create-node",
        ) from e
    _refuse_old_files(basedir, kind)
    return parse(text, basedir, kind)


def detect_kind(basedir: Path) -> str:
    """Return the kind of node, from the name of the directory's ``*.tac``.

    :raises NotFoundError: no such directory
    :raises ConfigError: not one such file; nothing in it is looked at
    """
    if not basedir.is_dir():
        raise NotFoundError(
            f"{str(basedir)!r} does not look like a directory at all",
            fix="make a node there with tahoe create-client or create-node",
        )
    names = [path.name for path in basedir.glob("*.tac")]
    kinds = {kind for kind in SECTIONS for name in names if kind in name}
    if len(kinds) != 1:
        found = ", ".join(sorted(names)) or "none"
        raise ConfigError(
            f"{basedir} is not a node directory",
            why=f"wanted one of {_wanted_tacs()}; found {found}",
            fix="make a node there with tahoe create-client or create-node",
        )
    return kinds.pop()


def _wanted_tacs() -> str:
    return ", ".join(f"tahoe-{kind}.tac" for kind in sorted(SECTIONS))


def parse(data: bytes, basedir: Path, kind: str) -> NodeConfig:
    """Read the bytes of a tahoe.cfg that stands, or would stand, in *basedir*.

    :raises ConfigError: with file, line, what is wrong and what is allowed
    """
    path = basedir / CFG
    entries = _known(read_entries(data, path), path, kind)
    values: dict[str, Any] = {}
    for field, key in keys().items():
        value = _value(key, entries.get(key.place), path)
        values[field] = basedir / value if isinstance(value, Path) else value
    config = NodeConfig(basedir, kind, _warnings(entries, path), **values)
    _check(config, path, entries)
    if config.hive_enabled and config.hive_auth == "none":
        _check_near(config.hive_port, path)
    return config


@cache
def keys() -> Mapping[str, Key]:
    """Return the key behind each field of NodeConfig, in the order of the class."""
    hints = get_type_hints(NodeConfig, include_extras=True)
    return {
        field: hint.__metadata__[0]
        for field, hint in hints.items()
        if hasattr(hint, "__metadata__")
    }


# ---- the schema --------------------------------------------------------------------------


def _known(entries: Entries, path: Path, kind: str) -> Entries:
    """Return *entries* after checking that each section and key may stand there."""
    known = {key.place for key in (*keys().values(), *NOT_USED)}
    for place, entry in entries.items():
        if entry.section.startswith(PLUGIN_SECTIONS) and kind == "client":
            continue
        if entry.section not in SECTIONS[kind]:
            raise _unknown_section(entry, path, kind)
        if place not in known:
            raise _unknown_key(entry, path, kind)
    return entries


def _unknown_section(entry: Entry, path: Path, kind: str) -> ConfigError:
    where = f"{path}:{entry.line}"
    owners = [other for other, names in SECTIONS.items() if entry.section in names]
    if owners:
        return ConfigError(
            f"{where}: [{entry.section}] is not for this kind of node",
            why=f"the directory is of kind {kind}, the section for kind {owners[0]}",
            fix="remove the section",
        )
    near = _nearest(entry.section, SECTIONS[kind])
    return ConfigError(f"{where}: unknown section [{entry.section}]", fix=near)


def _unknown_key(entry: Entry, path: Path, kind: str) -> ConfigError:
    what = f"{path}:{entry.line}: unknown key {entry.name!r} in [{entry.section}]"
    every = [key for key in (*keys().values(), *NOT_USED) if key.section in SECTIONS[kind]]
    homes = [key.section for key in every if key.name.lower() == entry.name.lower()]
    if homes:
        return ConfigError(what, fix=f"it belongs in [{homes[0]}]")
    here = [key.name for key in every if key.section == entry.section]
    return ConfigError(what, fix=_nearest(entry.name, here))


def _nearest(word: str, known: list[str] | tuple[str, ...]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(word, known, 1)
    return f"did you mean {near[0]!r}?" if near else "known: " + ", ".join(known)


def _value(key: Key, entry: Entry | None, path: Path) -> Any:
    if entry is None or (not entry.text and not key.type.empty):
        return None if key.default is None else key.type.parse(key.default)
    try:
        return key.type.parse(entry.text)
    except ValueError as e:
        shown = "the value" if key.type.secret else repr(entry.text[:80])
        raise ConfigError(
            f"{path}:{entry.line}: {key.name} in [{key.section}]: {shown} {e}",
            fix=f"allowed: {key.type.allowed}",
        ) from e


def _warnings(entries: Entries, path: Path) -> tuple[str, ...]:
    """Return at most one line, which names all that is accepted and not used."""
    unused = []
    for key in NOT_USED:
        entry = entries.get(key.place)
        default = None if key.default is None else key.type.parse(key.default)
        if _value(key, entry, path) != default:
            unused.append(f"[{key.section}] {key.name}")
    plugins = {e.section for e in entries.values() if e.section.startswith(PLUGIN_SECTIONS)}
    unused += [f"[{section}]" for section in sorted(plugins)]
    if not unused:
        return ()
    return (f"{path}: not done by this version, ignored: {', '.join(unused)}",)


# ---- what must hold together -------------------------------------------------------------


_MUST_LISTEN = {
    "introducer": ("an introducer", "give it a port"),
    "vdrive": ("a vdrive server", "give it a port"),
    "client": ("a storage node", "give it a port, or set [storage] enabled = false"),
}


def _check(config: NodeConfig, path: Path, entries: Entries) -> None:
    def refuse(section: str, name: str, what: str, fix: str) -> None:
        entry = entries.get((section, name.lower()))
        where = f"{path}:{entry.line}" if entry else str(path)
        raise ConfigError(f"{where}: {name} in [{section}]: {what}", fix=fix)

    if not config.reveal_ip_address:
        fix = "set it to true; a node that must hide can't run on this version"
        refuse("node", "reveal-IP-address", "false needs Tor, which is not offered", fix)
    if config.connections_tcp == "tor":
        refuse("connections", "tcp", "Tor is not offered", "allowed: tcp, disabled")
    if (config.tub_ports == ()) != (config.tub_hints == ()):
        both = "set both tub.port and tub.location to disabled, or neither"
        refuse("node", "tub.port", "only one of port and location is disabled", both)
    what, fix = _MUST_LISTEN[config.kind]
    if not config.listens and (config.kind != "client" or config.storage_enabled):
        refuse("node", "tub.port", f"{what} must listen", fix)
    if config.kind == "vdrive" and not config.vdrive_enabled:
        refuse("vdrive", "enabled", "this node does nothing else", "remove the line")
    for section, k, happy, n in (
        ("client", config.shares_needed, config.shares_happy, config.shares_total),
        ("introducer", config.advice_needed, config.advice_happy, config.advice_total),
    ):
        for name, number in (("shares.needed", k), ("shares.happy", happy)):
            if number and n and number > n:
                what = f"{number} is more than shares.total, {n}"
                refuse(section, name, what, f"allowed: 1 to {n}")


def _check_near(endpoint: str, path: Path) -> None:
    """Refuse the hive an endpoint that other machines reach, where it asks for no token."""
    words = endpoint.replace("\\:", "-").split(":")
    near = ("interface=127.", "interface=localhost", "interface=--1")
    if words[0] != "unix" and not any(word.startswith(near) for word in words[1:]):
        raise ConfigError(
            f"{path}: port in [hive]: others could reach it, and need no token",
            fix="add :interface=127.0.0.1 to it, or set auth = token",
        )


def _refuse_old_files(basedir: Path, kind: str) -> None:
    old = [name for name in OLD_FILES[kind] if (basedir / name).exists()]
    if old:
        raise ConfigError(
            f"{basedir} holds files of a node older than tahoe.cfg: {', '.join(old)}",
            fix="move what they say into tahoe.cfg, then remove them",
        )
