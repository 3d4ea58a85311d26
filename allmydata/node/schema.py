"""What may stand in tahoe.cfg: the types of values, and the keys we accept but don't use.

The keys we do use are the fields of :class:`allmydata.node.config.NodeConfig`, each
with its :class:`Key`.  Format: docs/formats/node.md; for users: docs/configuration.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from attrs import frozen

from allmydata.util.humanize import parse_duration, parse_size

_BOOLEANS = dict.fromkeys(("true", "yes", "on", "1"), True) | dict.fromkeys(
    ("false", "no", "off", "0"), False
)
_FURL = re.compile(r"pb://[a-z2-7]{32}@[^/\s]*/[^\s]+")
_ENDPOINT = re.compile(r"(tcp|tcp4|tcp6|ssl|unix|systemd|fd):\S+")
_TCP = re.compile(r"tcp[46]?:(?:port=)?(\d+)(?::\S+)?")
_TCP_HINT = re.compile(r"tcp:(\[[0-9a-fA-F:.%]+\]|[^:\s]+):(\d+)")
_HOST_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
DISABLED = "disabled"
AUTO = "AUTO"


@frozen
class Type:
    """A kind of value: its name in the docs, what is allowed, and how it is read.

    :param parse: returns the value, or raises ValueError saying what is wrong
    :param secret: errors must not quote the value
    :param empty: an empty text is a value, not the same as a key that is not there
    """

    name: str
    allowed: str
    parse: Callable[[str], Any]
    secret: bool = False
    empty: bool = False


@frozen
class Key:
    """One key of tahoe.cfg.

    :param default: as one would write it in the file; None when unset means no value
    """

    section: str
    name: str
    type: Type
    default: str | None
    meaning: str

    @property
    def place(self) -> tuple[str, str]:
        """The section and the name, as :func:`allmydata.node.config.parse` looks it up."""
        return self.section, self.name.lower()


def _boolean(text: str) -> bool:
    if text.lower() not in _BOOLEANS:
        raise ValueError("is neither true nor false")
    return _BOOLEANS[text.lower()]


def whole(low: int, high: int | None = None) -> Type:
    """Return the type of whole numbers from *low* to *high*."""
    allowed = f"a whole number from {low}" + (f" to {high}" if high else " up")

    def parse(text: str) -> int:
        if not re.fullmatch(r"\d{1,18}", text):
            raise ValueError("is not a whole number")
        if not low <= int(text) <= (high or int(text)):
            raise ValueError("is out of range")
        return int(text)

    return Type("int", allowed, parse)


def choice(*words: str) -> Type:
    """Return the type of one word of *words*, in lower case."""

    def parse(text: str) -> str:
        if text.lower() not in words:
            raise ValueError("is not known here")
        return text.lower()

    return Type(" ".join(f"`{w}`" for w in words), "one of " + ", ".join(words), parse)


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as e:
        raise ValueError("is not a size") from e


def is_furl(text: str) -> bool:
    """Tell whether *text* has the shape of a FURL; it may still lead nowhere."""
    return bool(_FURL.fullmatch(text))


def _furl(text: str) -> str:
    if not is_furl(text):
        raise ValueError("is not a FURL")
    return text


def endpoint(text: str) -> str:
    """Read one listening endpoint; a bare number is a TCP port.

    :raises ValueError: no Twisted endpoint, or a port past 65535
    """
    text = f"tcp:{text}" if text.isdecimal() else text
    if text.startswith("listen:"):
        raise ValueError("needs Tor or I2P, which this version does not offer")
    if not _ENDPOINT.fullmatch(text):
        raise ValueError("is not an endpoint")
    tcp = _TCP.fullmatch(text)
    if text.startswith("tcp") and (not tcp or int(tcp.group(1)) > 65535):
        raise ValueError("has no port from 0 to 65535")
    return text


def _ports(text: str) -> tuple[str, ...]:
    if text == DISABLED:
        return ()
    ports = tuple(endpoint(part.strip()) for part in text.split(",") if part.strip())
    if not ports:
        raise ValueError("is empty")
    for port in ports:
        if (tcp := _TCP.fullmatch(port)) and int(tcp.group(1)) == 0:
            raise ValueError("has port 0: others must be able to find this node again")
    return ports


def _hints(text: str) -> tuple[str, ...]:
    if text == DISABLED:
        return ()
    hints = tuple(part.strip() for part in text.split(",") if part.strip())
    if not hints:
        raise ValueError("is empty")
    for hint in hints:
        if hint.startswith(("tor:", "i2p:")):
            raise ValueError("needs Tor or I2P, which this version does not offer")
        tcp = _TCP_HINT.fullmatch(hint)
        if hint != AUTO and not (tcp and 0 < int(tcp.group(2)) < 65536):
            raise ValueError(f"has a part {hint[:60]!r} that names no host and port")
    return hints


def _host_names(text: str) -> tuple[str, ...]:
    names = tuple(part.strip().lower() for part in text.split(",") if part.strip())
    for name in names:
        if not _HOST_NAME.fullmatch(name):
            raise ValueError(f"has a part {name[:60]!r} that is no name of a host")
    return names


def _duration(text: str) -> int:
    try:
        return parse_duration(text)
    except ValueError as e:
        raise ValueError("is not a time") from e


def _date(text: str) -> int:
    try:
        return int(datetime.strptime(f"{text} +0000", "%Y-%m-%d %z").timestamp())
    except ValueError as e:
        raise ValueError("is not a date") from e


def _log_file(text: str) -> Path | None:
    return None if text == "-" else Path(text).expanduser()


def _directory(text: str) -> Path:
    return Path(text).expanduser()


TEXT = Type("text", "any text", str, empty=True)
BOOL = Type("bool", "true or false", _boolean)
SIZE = Type("size", "bytes, with K M G T (powers of 1000) or Ki Mi Gi Ti (of 1024)", _size)
SECONDS = whole(1)
DURATION = Type("time", "such as 30 min, 4 h or 7 d", _duration)
SHARES = whole(1, 256)
FURL = Type("FURL", "pb://TUBID@HINTS/NAME, as the other node wrote it", _furl, secret=True)
DIRECTORY = Type("dir", "a path, absolute, from ~, or from the node directory", _directory)
LOG_FILE = Type("path or `-`", "a path, or - for standard output", _log_file)
ENDPOINT = Type("endpoint", "such as tcp:3456:interface=127.0.0.1, or empty", endpoint)
PORTS = Type(
    "endpoints, commas, or `disabled`", "such as tcp:4000, or disabled", _ports, empty=True
)
HINTS = Type(
    "hints, commas, or `disabled`",
    "such as tcp:host.example:4000, AUTO, or disabled",
    _hints,
    empty=True,
)
HOST_NAMES = Type(
    "names, commas", "such as nas.lan, nas.example, without ports", _host_names
)
DATE = Type("date", "such as 2026-01-31, whose first second counts, in UTC", _date)
ANYTHING = Type("text", "any text", str)

EXPIRE_ENABLED = Key(
    "storage", "expire.enabled", BOOL, "false", "delete shares that nobody renews"
)
EXPIRE_MODE = Key(
    *("storage", "expire.mode", choice("age", "cutoff-date"), None),
    "when a lease is over; must be set where `expire.enabled` is true",
)
EXPIRE_DURATION = Key(
    *("storage", "expire.override_lease_duration", DURATION, None),
    "`age`: so long after its last renewal; unset: 31 days",
)
EXPIRE_CUTOFF = Key(
    *("storage", "expire.cutoff_date", DATE, None),
    "`cutoff-date`: if its last renewal was before",
)
EXPIRE_IMMUTABLE = Key(
    "storage", "expire.immutable", BOOL, "true", "delete immutable shares"
)
EXPIRE_MUTABLE = Key("storage", "expire.mutable", BOOL, "true", "delete mutable shares")
EXPIRE_GRACE = Key(
    *("storage", "expire.grace", DURATION, "30d"),
    "running time from the end of the last lease to deletion",
)
EXPIRE_DRY_RUN = Key(
    "storage", "expire.dry_run", BOOL, "false", "delete nothing; tell what would go"
)
HIVE_ENABLED = Key("hive", "enabled", BOOL, "false", "serve the hive; see doors/hive.md")
HIVE_PORT = Key(
    *("hive", "port", ENDPOINT, "tcp:5909:interface=127.0.0.1"),
    "where; beyond this machine only with `auth = token`",
)
HIVE_AUTH = Key(
    *("hive", "auth", choice("none", "token"), "none"),
    "`token`: clients must show that of `private/hive_token`",
)
HIVE_MAX_SIZE = Key("hive", "max_size", SIZE, None, "the most bytes of one value")
QUOTA = Key(
    *("storage", "quota", SIZE, None),
    "the most bytes of shares for each account; see `private/quotas`",
)


def _later(section: str, type_: Type, *names: str, default: str | None = None) -> list[Key]:
    return [Key(section, name, type_, default, "accepted, not used") for name in names]


# Keys of Tahoe-LAFS 1.20 that this version accepts and does not use.  One that is set to
# anything but its default is named in a warning.
NOT_USED: tuple[Key, ...] = (
    Key("node", "web.static", DIRECTORY, "public_html", "served under `/static`"),
    Key("node", "log_gatherer.furl", FURL, None, "sends logs there"),
    Key("node", "tempdir", DIRECTORY, "tmp", "spool; ours is under `private/`, sealed"),
    *_later("tor", BOOL, "enabled", "launch", default="false"),
    *_later("tor", ANYTHING, "socks.port", "control.port", "tor.executable", "onion"),
    *_later("tor", ANYTHING, "onion.local_port", "onion.external_port"),
    *_later("tor", ANYTHING, "onion.private_key_file"),
    *_later("i2p", BOOL, "enabled", "launch", default="false"),
    *_later("i2p", ANYTHING, "sam.port", "i2p.configdir", "i2p.executable", "dest"),
    *_later("i2p", ANYTHING, "dest.port", "dest.private_key_file"),
    Key("client", "helper.furl", FURL, None, "upload helper"),
    Key("client", "mutable.format", choice("sdmf", "mdmf"), "sdmf", "new mutable files"),
    Key("client", "peers.preferred", ANYTHING, None, "servers tried first"),
    *_later("client", ANYTHING, "storage.plugins", "key_generator.furl"),
    *_later("client", ANYTHING, "shares._max_immutable_segment_size_for_testing"),
    Key("storage", "anonymous", BOOL, "true", "storage to whoever has the FURL"),
    *_later("storage", ANYTHING, "plugins"),
    *_later("storage", BOOL, "grid_management", "debug_discard", default="false"),
    Key("helper", "enabled", BOOL, "false", "be an upload helper"),
    Key("sftpd", "enabled", BOOL, "false", "SFTP door"),
    *_later("sftpd", ANYTHING, "port", "host_pubkey_file", "host_privkey_file"),
    *_later("sftpd", ANYTHING, "accounts.file"),
)

# Sections in which any key may stand; each is named in the warning.
PLUGIN_SECTIONS = ("storageserver.plugins.", "storageclient.plugins.")

# What each kind of node reads.
SECTIONS = {
    "introducer": ("node", "connections", "tor", "i2p", "introducer", "vdrive"),
    "client": (
        *("node", "connections", "tor", "i2p"),
        *("client", "storage", "keeper", "helper", "sftpd", "hive"),
    ),
    "vdrive": ("node", "connections", "tor", "i2p", "vdrive"),
}

# Files by which nodes older than tahoe.cfg were configured, by kind of node.
OLD_FILES = {
    "introducer": ("webport", "nickname", "log_gatherer.furl", "advertised_ip_addresses"),
    "client": (
        *("webport", "nickname", "log_gatherer.furl", "advertised_ip_addresses"),
        *("introducer.furl", "helper.furl", "key_generator.furl", "root_dir.cap"),
        *("no_storage", "readonly_storage", "sizelimit", "discard_storage", "run_helper"),
        *("keepalive_timeout", "disconnect_timeout"),
    ),
    "vdrive": (),
}
