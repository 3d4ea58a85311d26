"""Where this client's own vdrive server is: told by its owner, remembered, or asked for.

[client] vdrive.furl of tahoe.cfg      wins
private/vdrive.furl                    given when the client was made, or heard before
the introducer                         asked when neither is there
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from twisted.logger import Logger

from allmydata.errors import ConfigError, GridError
from allmydata.grid.vdrive import place_of
from allmydata.util.fileutil import write_atomically

log = Logger()


class HomeServer:
    """The vdrive server that has this client's roots.

    :param configured: what tahoe.cfg says, or None
    :param ask: asks the introducers; returns a FURL, or an empty text
    """

    def __init__(
        self, private: Path, configured: str | None, ask: Callable[[], Awaitable[str]]
    ) -> None:
        self._path = private / "vdrive.furl"
        self._configured = configured
        self._ask = ask
        self.is_missing = False  # everybody was asked, and nobody knows of one

    def known(self) -> str:
        """Return its FURL as far as it is known here; empty if it must be asked for.

        :raises ConfigError: the file that should hold it holds something else
        """
        if self._configured:
            return self._configured
        if not self._path.exists():
            return ""
        furl = self._path.read_text("utf-8", "replace").strip()
        try:
            place_of(furl)
        except ValueError as e:
            fix = "put the FURL back, or delete the file: then the introducer is asked"
            raise ConfigError(f"{self._path} does not hold a FURL", fix=fix) from e
        return furl

    async def furl(self) -> str:
        """Return its FURL, asking for it where need be.

        :raises ConfigError: nobody knows of one
        :raises ServerLostError: nobody could be asked
        """
        furl = self.known()
        if furl:
            return furl
        furl = await self._ask()
        self.is_missing = not furl
        if not furl:
            raise ConfigError(
                "there is no vdrive server: nothing can hold directories",
                why="neither tahoe.cfg nor the introducer names one",
                fix="set [client] vdrive.furl in tahoe.cfg; tahoe create-vdrive makes one",
            )
        self._keep(furl)
        return furl

    async def find_again(self) -> str:
        """Return where the server is by the introducer's newest word; empty if unknown.

        Another server than the one known is not taken up: the roots are not there.
        """
        try:
            old, new = self.known(), await self._ask()
            if self._configured or not new or place_of(old) != place_of(new):
                return ""
        except (GridError, ValueError) as e:
            log.info("where the vdrive server is can't be asked: {why}", why=str(e))
            return ""
        self._keep(new)
        return new

    def _keep(self, furl: str) -> None:
        try:
            place_of(furl)
        except ValueError as e:
            raise ConfigError(
                "the introducer names a vdrive server that can't be", why=str(e)
            ) from e
        write_atomically(self._path, furl.encode() + b"\n", private=True)
