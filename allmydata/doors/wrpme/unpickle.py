"""Unpickling what somebody else may have written: plain data, and nothing else.

A pickle is a program.  First it is read through without running it: opcodes that reach
outside are refused, and so is what would nest too deeply or take memory for nothing.  Then
it is run with a table of names: each stands for a class, or for a function that makes one
of its objects from arguments that it has looked at, so that ``set(range(10**12))`` and the
like are no objects either.  Any other name is an UnsafeObject.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

from .errors import Error, UnexpectedReply, UnsafeObject
from .scan import scan
from .vetted import BUILDERS, NEWOBJ, RECONSTRUCT, OldObject, shown

_allowed: set[type] = set()


def allow(cls: type, *more: type) -> None:
    """Let every :class:`wrpme.Client` of this process make objects of these classes.

    They are told by what they are, not by their names.
    """
    for one in (cls, *more):
        if not isinstance(one, type):
            raise TypeError(f"allow() takes classes, not {type(one).__name__}")
    _allowed.update((cls, *more))


def loads(payload: bytes, allowed: tuple[type, ...] = ()) -> Any:
    """Return the object in a pickle.

    :raises UnsafeObject: to make it could do anything
    :raises Error: it is damaged, or makes no sense
    """
    classes = frozenset(_allowed.union(allowed))
    try:
        scan(payload)
        return _Careful(payload, classes).load()
    except Error:
        raise
    except Exception as e:
        raise UnexpectedReply(f"a damaged object: {type(e).__name__}") from e


class _Careful(pickle.Unpickler):
    """Makes what the table has, and objects of *classes*."""

    def __init__(self, payload: bytes, classes: frozenset[type]) -> None:
        super().__init__(io.BytesIO(payload))
        self._classes = classes
        self._by_name = {(one.__module__, one.__qualname__): one for one in classes}

    def find_class(self, module: str, name: str) -> Any:
        """Return what a name stands for."""
        if (module, name) in self._by_name:
            return self._by_name[module, name]
        found = BUILDERS.get((_MODULES.get(module, module), name))
        if found is NEWOBJ or found is RECONSTRUCT:
            return OldObject(self._classes)
        if found is None:
            raise UnsafeObject(f"{shown(module)}.{shown(name)} is not allowed")
        return found

    def persistent_load(self, pid: Any) -> Any:
        """Refuse: there are none of ours."""
        raise UnsafeObject("an object that lies elsewhere is not allowed")


_MODULES = {"__builtin__": "builtins", "copy_reg": "copyreg"}  # of Python 2
