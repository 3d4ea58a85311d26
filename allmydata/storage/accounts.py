"""How much each account may have here, and which account a client is.

    # private/quotas: those who may have more or less than [storage] quota says
    ytuz4pcpg4ib5dfs3c7hwc4gcnivbw36   50 GB   ann, at home
    anonymous                          0

An account is a client's Tub id.  Clients that have none are one account together.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from attrs import field, frozen

from allmydata.crypto.keys import account_number
from allmydata.errors import ConfigError
from allmydata.storage.inventory import NOBODY
from allmydata.util.base32 import a2b
from allmydata.util.humanize import parse_size

TUBID_SIZE = 20
ANONYMOUS = "anonymous"
FILE_NAME = "quotas"


@frozen
class Quotas:
    """The most bytes of share files that each account may lease; None for no limit.

    :param default: for those who are not named
    :param named: by account number
    :param names: what people call an account
    :param tubids: what the numbers of those named stand for
    """

    default: int | None = None
    named: Mapping[int, int] = field(factory=dict)
    names: Mapping[int, str] = field(factory=dict)
    tubids: Mapping[int, str] = field(factory=dict)

    def limit(self, account: int) -> int | None:
        """Return the most bytes that one account may have."""
        return self.named.get(account, self.default)

    @property
    def are_set(self) -> bool:
        """Tell whether anybody is limited."""
        return self.default is not None or bool(self.named)


NO_QUOTAS = Quotas()


def read_quotas(path: Path, default: int | None) -> Quotas:
    """Read the exceptions in file *path*, if there is one.

    :raises ConfigError: a line can't be understood; it names file and line
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return Quotas(default)
    except (OSError, ValueError) as e:
        raise ConfigError(f"{path} can't be read", why=str(e)) from e
    found = []
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                found.append(_parse(line))
            except ValueError as e:
                fix = "write  TUBID SIZE NAME, such as  ytuz…bw36 50GB ann"
                raise ConfigError(f"{path}:{number}: {e}", fix=fix) from e
    return Quotas(
        default,
        {account: size for account, size, _, _ in found},
        {account: name for account, _, name, _ in found},
        {account: who for account, _, _, who in found},
    )


def _parse(line: str) -> tuple[int, int, str, str]:
    """Return account number, bytes, name and Tub id.

    :raises ValueError: it makes no sense; the message does not quote it
    """
    who, *words = line.split()
    account = _account(who)
    if not words:
        raise ValueError("no size")
    if len(words) > 1 and words[0][-1].isdigit():
        try:
            return account, parse_size(words[0] + words[1]), " ".join(words[2:]), who
        except ValueError:
            pass  # no unit: a name
    return account, parse_size(words[0]), " ".join(words[1:]), who


def _account(word: str) -> int:
    if word == ANONYMOUS:
        return NOBODY
    try:
        tubid = a2b(word)
    except ValueError:
        tubid = b""
    if len(tubid) != TUBID_SIZE:
        raise ValueError(f"not the id of a node, nor {ANONYMOUS!r}")
    return account_number(tubid)


def account_behind(canary: Any) -> tuple[int, str]:
    """Return the account of the client that a RemoteReference came from, and its Tub id.

    Nothing a client says makes it another: foolscap has checked the certificate.
    """
    try:
        tubid = canary.getRemoteTubID() or ""
        return (_number(tubid), tubid) if tubid else (NOBODY, "")
    except (AttributeError, AssertionError, ValueError):  # a connection without a Tub
        return NOBODY, ""


@lru_cache(maxsize=1000)  # asked with each call of a client
def _number(tubid: str) -> int:
    return account_number(a2b(tubid))
