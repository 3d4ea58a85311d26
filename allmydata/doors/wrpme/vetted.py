"""The names that a pickle may use, and what each may be called with.

A name that stands for a function here makes one object from arguments that were looked at.
Where a class stands for itself, no arguments make it do anything else.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

from .errors import UnsafeObject

Make = Callable[..., Any]
Check = Callable[[Any], bool]

_FRACTION = re.compile(r"-?\d{1,4000}(/\d{1,4000})?")
_LATIN = ("latin1", "latin-1", "iso-8859-1")

NEWOBJ, RECONSTRUCT = object(), object()


def shown(name: str) -> str:
    """Return a name as an error may show it."""
    return ascii(name[:60])[1:-1]


class _Factory:
    """A class as what a defaultdict makes; it can't be called itself."""

    def __init__(self, kind: type) -> None:
        self.kind = kind


class OldObject:
    """``copyreg.__newobj__`` and ``_reconstructor``, for classes that are allowed."""

    def __init__(self, classes: frozenset[type]) -> None:
        self._classes = classes

    def __call__(self, cls: Any, *args: Any) -> Any:
        """Return a new object without state."""
        if not (isinstance(cls, type) and cls in self._classes | {UUID}):
            raise UnsafeObject("an object of a class that is not allowed")
        if args and args != (object, None):
            raise UnsafeObject("an object made from arguments")
        return object.__new__(cls)


def _only(make: Make, *shapes: tuple[Check, ...]) -> Make:
    """Return *make*, for arguments of one of these shapes."""

    def vetted(*args: Any) -> Any:
        for shape in shapes:
            if len(shape) == len(args) and all(
                is_good(one) for is_good, one in zip(shape, args, strict=True)
            ):
                return make(*args)
        raise UnsafeObject(f"a {make.__name__} made from such arguments")

    return vetted


def _is(*kinds: type) -> Check:
    return lambda one: type(one) in kinds


def _encode(text: str, _encoding: str) -> bytes:
    """Return bytes as old protocols carry them."""
    return text.encode("latin-1")


def _default(factory: Any = None) -> Any:
    if isinstance(factory, _Factory):
        return defaultdict(factory.kind)
    if factory is None:
        return defaultdict()
    raise UnsafeObject("a defaultdict with such a factory")


def _anything(_: Any) -> bool:
    return True


_whole, _text, _items, _data = _is(int), _is(str), _is(list, tuple), _is(bytes)
_length = _is(int, type(None))
_float = _is(float, int)


def _is_latin(one: Any) -> bool:
    return one in _LATIN


def _is_fraction(one: Any) -> bool:
    return isinstance(one, str) and bool(_FRACTION.fullmatch(one))


BUILDERS: dict[tuple[str, str], Any] = {
    ("builtins", "set"): _only(set, (), (_items,)),
    ("builtins", "frozenset"): _only(frozenset, (), (_items,)),
    ("builtins", "bytearray"): _only(bytearray, (), (_data,), (_text, _is_latin)),
    ("builtins", "bytes"): _only(bytes, ()),
    ("builtins", "complex"): _only(complex, (_float, _float)),
    ("builtins", "slice"): _only(slice, (_anything,) * 3),
    ("builtins", "range"): _only(range, (_whole,) * 3),
    ("builtins", "xrange"): _only(range, (_whole,) * 3),  # of Python 2
    ("builtins", "object"): object,
    ("collections", "OrderedDict"): _only(OrderedDict, (), (_items,)),
    ("collections", "defaultdict"): _default,
    ("collections", "deque"): _only(deque, (), (_items,), (_items, _length)),
    ("collections", "Counter"): _only(Counter, (), (_is(dict),)),
    ("datetime", "date"): date,
    ("datetime", "datetime"): datetime,
    ("datetime", "time"): time,
    ("datetime", "timedelta"): timedelta,
    ("datetime", "timezone"): timezone,
    ("decimal", "Decimal"): _only(Decimal, (_text,)),
    ("fractions", "Fraction"): _only(Fraction, (_is_fraction,), (_whole, _whole)),
    ("uuid", "UUID"): UUID,
    ("_codecs", "encode"): _only(_encode, (_text, _is_latin)),
    ("copyreg", "__newobj__"): NEWOBJ,
    ("copyreg", "_reconstructor"): RECONSTRUCT,
    **{
        ("builtins", kind.__name__): _Factory(kind)
        for kind in (int, float, str, list, dict, tuple, bool)
    },
}
