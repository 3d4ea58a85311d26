"""Signed announcements as a node sends and hears them, and keeps them over restarts.

The file is that of Tahoe-LAFS, ``private/introducer_<petname>_cache.yaml``: a list of
``{ann: {…}, key_s: v0-…}``.  Whoever can write it can lie to the node, so nobody else may;
signatures are not kept.  Protocol: docs/protocols/introducer.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from attrs import define, field
from foolscap.api import Referenceable
from twisted.logger import Logger

from allmydata.errors import CorruptError
from allmydata.formats.announcement import STORAGE, Announcement
from allmydata.interfaces import RIIntroducerSubscriberClient_v2
from allmydata.util.fileutil import write_atomically
from allmydata.util.wire import serves

log = Logger()

MAX_KEPT = 10_000


class Canary(Referenceable):
    """What a publisher hands along; nobody uses it."""


@define(eq=False)
class Hearsay:
    """What introducers told of servers: the newest of each.

    :param heard: is told each announcement that is news
    """

    _path: Path
    _heard: Callable[[Announcement], None]
    _known: dict[tuple[str, str], Announcement] = field(factory=dict, init=False)

    def load(self) -> None:
        """Tell of what the file holds; a damaged one is as good as none."""
        try:
            told = _read(self._path.read_bytes())
            kept = [Announcement(one["ann"], one["key_s"], (b"", b"", b"")) for one in told]
            known = {one.index: one for one in kept if one.service == STORAGE}
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            log.warn("{path} can't be read and is not used", path=self._path)
            return
        self._known = known
        for one in known.values():
            self._heard(one)

    def hear(self, several: Iterable[object]) -> None:
        """Take in announcements as they were sent; what is not signed is dropped."""
        before = dict(self._known)
        for told in filter(None, map(_opened, several)):
            if self._is_news(told):
                self._known[told.index] = told
                self._heard(told)
        if self._known != before:
            self._save()

    def _is_news(self, told: Announcement) -> bool:
        if told.service != STORAGE:
            return False
        known = self._known.get(told.index)
        if known is None:
            return len(self._known) < MAX_KEPT
        return told.replaces(known)

    def _save(self) -> None:
        told = [{"ann": dict(one.facts), "key_s": one.key} for one in self._known.values()]
        try:
            write_atomically(self._path, _written(told), private=True)
        except OSError as e:
            log.warn("{path} can't be written: {why}", path=self._path, why=e.strerror)


def _read(data: bytes) -> Any:
    """Parse the file: YAML, of which JSON is a part that needs no library of 1 MB.

    :raises ValueError: it is neither
    """
    try:
        return json.loads(data)
    except ValueError:
        import yaml
    try:
        return yaml.safe_load(data)
    except yaml.YAMLError as e:
        raise ValueError("neither JSON nor YAML") from e


def _written(told: list[dict[str, Any]]) -> bytes:
    """Return the file: JSON where that is YAML too, letter for letter."""
    text = json.dumps(told, ensure_ascii=False)
    if not text.isprintable():
        import yaml

        text = yaml.safe_dump(told)
    return text.encode()


def _opened(signed: object) -> Announcement | None:
    try:
        return Announcement.open(signed)
    except CorruptError as e:
        log.warn("an announcement is dropped: {why}", why=e.message)
        return None


@serves(RIIntroducerSubscriberClient_v2)
class Listener(Referenceable):
    """What an introducer calls."""

    def __init__(self, hearsay: Hearsay) -> None:
        self._hearsay = hearsay

    def remote_announce_v2(self, announcements: set[Any]) -> None:
        """Take in what servers say of themselves."""
        self._hearsay.hear(announcements)


def subscriber_info(nickname: str, version: str) -> dict[bytes, Any]:
    """Return what a subscriber says of itself; Tahoe-LAFS wants it not to be empty."""
    return {
        b"version": 0,
        b"nickname": nickname,
        b"app-versions": [],
        b"my-version": version,
        b"oldest-supported": "1.0.0",
    }
