"""git-annex's external special remote protocol, and the remote that keeps to it.

Source of the protocol: external_special_remote_protocol, in git-annex's own
documentation.  What is kept where: docs/doors/git-annex.md.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import TypeVar

from allmydata.doors.annex.asking import Annex, Ended
from allmydata.doors.annex.errors import ProtocolError
from allmydata.doors.annex.keys import Keys
from allmydata.doors.annex.lines import Lines
from allmydata.doors.annex.names import place_of_export
from allmydata.doors.annex.nodes import told
from allmydata.doors.annex.settings import CONFIGS, Settings, set_up
from allmydata.doors.annex.states import States
from allmydata.doors.annex.tree import Tree
from allmydata.errors import GridError, UsageError

T = TypeVar("T")

COST = 200  # what git-annex gives to whatever is not on this machine


class Remote:
    """Serves one git-annex process."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._annex = Annex(lines)
        self._export: str | None = None
        self._requests: Mapping[str, tuple[int, Callable[..., None]]] = MappingProxyType(
            {
                "EXTENSIONS": (1, self._extensions),
                "LISTCONFIGS": (0, self._list_configs),
                "INITREMOTE": (0, self._init),
                "PREPARE": (0, self._prepare),
                "TRANSFER": (3, self._transfer),
                "CHECKPRESENT": (1, self._check_present),
                "REMOVE": (1, self._remove),
                "GETCOST": (0, lambda: self._say("COST", COST)),
                "GETAVAILABILITY": (0, lambda: self._say("AVAILABILITY", "GLOBAL")),
                "WHEREIS": (1, self._where),
                "GETINFO": (0, self._info),
                "CLAIMURL": (1, lambda url: self._say("CLAIMURL-FAILURE")),
                "CHECKURL": (1, lambda url: self._say("CHECKURL-FAILURE")),
                "EXPORTSUPPORTED": (0, lambda: self._say("EXPORTSUPPORTED-SUCCESS")),
                "EXPORT": (1, self._set_export),
                "TRANSFEREXPORT": (3, self._transfer_export),
                "CHECKPRESENTEXPORT": (1, self._check_present_export),
                "REMOVEEXPORT": (1, self._remove_export),
                "REMOVEEXPORTDIRECTORY": (1, self._remove_export_directory),
                "RENAMEEXPORT": (2, self._rename_export),
            }
        )

    def serve(self) -> int:
        """Answer what comes until git-annex closes the line; return the exit code."""
        self._say("VERSION", 1)
        try:
            while (line := self._lines.read()) is not None:
                word, _, rest = line.partition(" ")
                if word == "ERROR":
                    return 1
                self._answer(word, rest)
        except Ended:
            return 1
        except ProtocolError as e:
            self._say("ERROR", e)
            return 1
        return 0

    def _answer(self, word: str, rest: str) -> None:
        num_words, serve = self._requests.get(word, (0, None))
        if serve is None:
            self._say("UNSUPPORTED-REQUEST")
            return
        given = rest.split(" ", num_words - 1) if num_words else [rest][: bool(rest)]
        if len(given) != num_words:
            raise ProtocolError(f"{word} with {len(given)} words, wanted {num_words}")
        serve(*given)

    # ---- making and meeting

    def _extensions(self, offered: str) -> None:
        self._annex.has_info = "INFO" in offered.split()
        self._say("EXTENSIONS", *(["INFO"] if self._annex.has_info else []))

    def _list_configs(self) -> None:
        for name, text in CONFIGS.items():
            self._say("CONFIG", name, text)
        self._say("CONFIGEND")

    def _init(self) -> None:
        self._forget()
        self._attempt(lambda: set_up(self._annex), "INITREMOTE")

    def _prepare(self) -> None:
        self._attempt(lambda: self._keys, "PREPARE")

    def _info(self) -> None:
        for name, value in self._shown().items():
            self._say("INFOFIELD", name)
            self._say("INFOVALUE", value)
        self._say("INFOEND")

    def _shown(self) -> dict[str, str]:
        try:
            settings = self._settings
        except GridError as e:
            return {"settings": told(e)}
        shown = {"mode": settings.mode, "presence": settings.presence}
        return shown | ({"directory": settings.directory} if shown["mode"] == "dir" else {})

    # ---- contents of keys

    def _transfer(self, direction: str, key: str, path: str) -> None:
        def move() -> None:
            way = _way(direction, self._keys.store, self._keys.retrieve)
            way(key, path, self._annex.meter())

        self._attempt(move, "TRANSFER", direction, key)

    def _check_present(self, key: str) -> None:
        self._judge(lambda: self._keys.is_there(key), "CHECKPRESENT", key)

    def _remove(self, key: str) -> None:
        self._attempt(lambda: self._keys.remove(key), "REMOVE", key)

    def _where(self, key: str) -> None:
        try:
            text = "" if self._settings.is_export else self._keys.where(key)
        except GridError as e:
            self._annex.debug(told(e))
            text = ""
        self._say(*(["WHEREIS-SUCCESS", text] if text else ["WHEREIS-FAILURE"]))

    # ---- exported files

    def _set_export(self, name: str) -> None:
        self._export = name

    def _exported(self) -> str:
        if self._export is None:
            raise UsageError("no EXPORT said which file is meant")
        return self._export

    def _transfer_export(self, direction: str, key: str, path: str) -> None:
        def move() -> None:
            way = _way(direction, self._tree.store, self._tree.retrieve)
            way(place_of_export(self._exported()), path, self._annex.meter())

        self._attempt(move, "TRANSFER", direction, key)

    def _check_present_export(self, key: str) -> None:
        def ask() -> bool:
            return self._tree.is_there(place_of_export(self._exported()))

        self._judge(ask, "CHECKPRESENT", key)

    def _remove_export(self, key: str) -> None:
        def remove() -> None:
            self._tree.remove(place_of_export(self._exported()))

        self._attempt(remove, "REMOVE", key)

    def _remove_export_directory(self, name: str) -> None:
        def remove() -> None:
            if not self._tree.remove_directory(place_of_export(name.rstrip("/"))):
                raise UsageError("the directory holds other files too")

        self._attempt(remove, "REMOVEEXPORTDIRECTORY", says_why=False)

    def _rename_export(self, key: str, to: str) -> None:
        def rename() -> None:
            self._tree.rename(place_of_export(self._exported()), place_of_export(to))

        self._attempt(rename, "RENAMEEXPORT", key, says_why=False)

    # ---- what is asked

    def _forget(self) -> None:
        for name in ("_settings", "_tree", "_keys"):
            self.__dict__.pop(name, None)

    @cached_property
    def _settings(self) -> Settings:
        return Settings.ask(self._annex)

    @cached_property
    def _tree(self) -> Tree:
        settings = self._settings
        if settings.mode != "dir":
            raise UsageError("mode=state keeps no names")
        cap = settings.directory_cap(self._annex)
        return Tree(settings.node, cap, settings.asks_servers)

    @cached_property
    def _keys(self) -> Keys | States:
        settings = self._settings
        if settings.mode == "state":
            return States(settings.node, self._annex, settings.asks_servers)
        return Keys(self._tree)

    # ---- answering

    def _say(self, *words: object) -> None:
        self._lines.write(*words)

    def _attempt(
        self, act: Callable[[], object], word: str, *names: str, says_why: bool = True
    ) -> None:
        """Say whether *act* succeeded, and if it is wanted, why not."""
        try:
            act()
        except (Ended, ProtocolError):
            raise
        except Exception as e:
            why = self._why(e)
            self._say(f"{word}-FAILURE", *names, *([why] if says_why else []))
            return
        self._say(f"{word}-SUCCESS", *names)

    def _judge(self, ask: Callable[[], bool], word: str, key: str) -> None:
        try:
            is_so = ask()
        except (Ended, ProtocolError):
            raise
        except Exception as e:
            self._say(f"{word}-UNKNOWN", key, self._why(e))
            return
        self._say(f"{word}-{'SUCCESS' if is_so else 'FAILURE'}", key)

    def _why(self, error: Exception) -> str:
        if not isinstance(error, GridError | OSError):
            for line in "".join(traceback.format_exception(error)).splitlines():
                self._annex.debug(line)
        why = told(error)
        self._annex.debug(why)
        return why


def _way(direction: str, store: T, retrieve: T) -> T:
    if direction not in ("STORE", "RETRIEVE"):
        raise ProtocolError(f"a transfer of direction {direction[:40]!r}")
    return store if direction == "STORE" else retrieve
