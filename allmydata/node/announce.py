"""What a node tells the nodes of Tahoe-LAFS of itself, and what it hears of servers.

    private/node.privkey         the Ed25519 key it signs with; node.pubkey beside my_nodeid
    permutation-seed             its storage's place in the ring: its Tub id, unless it was
                                 a node of Tahoe-LAFS before
    announcement-seqnum          counts its announcements
    private/introducer_*_cache.yaml, private/servers.yaml

Format: docs/formats/node.md, docs/formats/announcement.md.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import frozen

from allmydata.crypto.signing import SEED_SIZE, NodeKey
from allmydata.errors import ConfigError
from allmydata.formats.announcement import (
    NONCE_SIZE,
    STORAGE,
    Announcement,
    storage_facts,
)
from allmydata.introducer.client import NewsDesk
from allmydata.introducer.subscription import Hearsay, subscriber_info
from allmydata.util import base32
from allmydata.util.fileutil import write_atomically

Heard = Callable[[Announcement], None]


@frozen
class Announcer:
    """Signs what this node offers.

    :param nurls: where its storage speaks HTTPS
    """

    basedir: Path
    nickname: str
    version: str
    nodeid: str
    storage_furl: str = ""
    nurls: tuple[str, ...] = ()

    def announcements(self) -> list[Announcement]:
        """Return what there is to announce, under a new number each time."""
        if not self.storage_furl:
            return []
        facts = storage_facts(
            nickname=self.nickname,
            version=self.version,
            furl=self.storage_furl,
            nurls=list(self.nurls),
            seed=self._seed(),
            seqnum=self._next_number(),
            nonce=os.urandom(NONCE_SIZE),
        )
        return [Announcement.sign(facts, load_key(self.basedir))]

    def news_desk(self, petname: str, heard: Heard) -> NewsDesk:
        """Return what publishes and listens at the introducer *petname*."""
        name = f"introducer_{_as_file_name(petname)}_cache.yaml"
        hearsay = Hearsay(self.basedir / "private" / name, heard)
        info = subscriber_info(self.nickname, self.version)
        return NewsDesk(hearsay, self.announcements, info)

    def _seed(self) -> bytes:
        path = self.basedir / "permutation-seed"
        try:
            return base32.a2b(path.read_text().strip())
        except FileNotFoundError:
            return base32.a2b(self.nodeid)
        except ValueError as e:
            raise ConfigError(
                f"{path} can't be understood",
                why="it is no base 32",
                fix="put back the file you saved; without it clients look for shares "
                "elsewhere first",
            ) from e

    def _next_number(self) -> int:
        path = self.basedir / "announcement-seqnum"
        try:
            number = int(path.read_text()) + 1
        except FileNotFoundError:
            number = 1
        except ValueError as e:
            raise ConfigError(f"{path} holds no number", fix="write the last one") from e
        write_atomically(path, b"%d\n" % number)
        return number


def load_key(basedir: Path) -> NodeKey:
    """Return the key that a node signs with, made when it is first wanted.

    :raises ConfigError: its file holds something else
    """
    path = basedir / "private" / "node.privkey"
    try:
        key = NodeKey.load(path.read_text().strip())
    except FileNotFoundError:
        key = NodeKey(os.urandom(SEED_SIZE))
        write_atomically(path, f"{key.text}\n".encode(), private=True)
    except ValueError as e:
        raise ConfigError(
            f"{path} can't be understood", why=str(e), fix="put back the file you saved"
        ) from e
    write_atomically(basedir / "node.pubkey", f"pub-{key.name}\n".encode())
    return key


def static_servers(private: Path) -> list[Announcement]:
    """Return the servers that ``private/servers.yaml`` names; nobody signed these.

    :raises ConfigError: the file can't be understood
    """
    path = private / "servers.yaml"
    if not path.exists():
        return []
    import yaml

    try:
        entries = (yaml.safe_load(path.read_bytes()) or {}).get(STORAGE) or {}
        found = [_static(str(name), one["ann"]) for name, one in entries.items()]
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as e:
        fix = "write it as  storage: {v0-…: {ann: {anonymous-storage-FURL: 'pb://…'}}}"
        raise ConfigError(f"{path} can't be understood", fix=fix) from e
    for one in found:
        if not one.furl:
            raise ConfigError(f"{path}: {one.key[:11]} has no anonymous-storage-FURL")
    return found


def _static(name: str, facts: Any) -> Announcement:
    return Announcement({"service-name": STORAGE, **facts}, name, (b"", b"", b""))


def _as_file_name(petname: str) -> str:
    return re.sub(r"[^\w.-]", "_", petname)
