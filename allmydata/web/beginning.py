"""The beginning of a file as text, whatever it is encoded in."""

from __future__ import annotations

import codecs
import re
from typing import Any

from attrs import frozen
from twisted.internet.defer import TimeoutError
from twisted.internet.interfaces import IReactorTime

from allmydata.errors import GridError
from allmydata.streams.target import Data
from allmydata.util.deferreds import timeout

MAX_SIZE = 2**14  # bytes of a file that a page shows
PATIENCE_S = 5.0  # a page does not wait longer for them

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@frozen
class Beginning:
    """What a page shows of a file.

    :param is_cut: whether there is more
    :param trouble: why there is nothing to be seen
    """

    text: str = ""
    is_cut: bool = False
    trouble: str = ""


async def read_beginning(
    downloader: Any, cap: str, size: int, clock: IReactorTime
) -> Beginning:
    """Return how a file begins, or why that can't be had soon.

    :param size: bytes of the file
    """
    if not size:
        return Beginning()
    work = downloader.download(cap, Data(), offset=0, size=min(size, MAX_SIZE))
    try:
        data = await timeout(work, PATIENCE_S, clock)
    except TimeoutError:
        return Beginning(trouble="The servers are slow just now.")
    except GridError as e:
        return Beginning(trouble=f"It can't be read now: {e.message}.")
    return Beginning(decode(data), size > len(data))


def decode(data: bytes) -> str:
    """Return bytes as text; a character that is cut at their end is left out.

    What is neither UTF-8 nor marked as UTF-16 is taken for Windows' Latin text.  Control
    characters become their pictures, and line ends newlines.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            text = _decode(data[len(mark) :], encoding, "replace")
            break
    else:
        try:
            text = _decode(data, "utf-8", "strict")
        except UnicodeDecodeError:
            text = data.decode("cp1252", "replace")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROLS.sub(_picture, text)


def _decode(data: bytes, encoding: str, errors: str) -> str:
    return codecs.getincrementaldecoder(encoding)(errors).decode(data)


def _picture(found: re.Match[str]) -> str:
    code = ord(found[0])
    return "\u2421" if code == 0x7F else chr(0x2400 + code)
