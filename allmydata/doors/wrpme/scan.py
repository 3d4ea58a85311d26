"""A pickle read through without running it: how deep it nests, and what it reaches for.

A machine that knows depths instead of objects goes through the opcodes.  What it refuses:
opcodes that call for persistent ids, registered extensions or buffers from outside; old
ones that make instances; whatever would change a class or function instead of an object;
numbers of the memo so high that room would be made for nothing;
and objects nested more than a thousand deep, whose hash would exhaust the stack.
"""

from __future__ import annotations

import pickletools
from collections.abc import Iterator
from typing import Any

from .errors import UnexpectedReply, UnsafeObject

MAX_DEPTH = 1000

_REACHING = {
    "PERSID",
    "BINPERSID",
    "EXT1",
    "EXT2",
    "EXT4",
    "INST",
    "OBJ",
    "NEXT_BUFFER",
    "READONLY_BUFFER",
}
_PUTS = {"PUT", "BINPUT", "LONG_BINPUT"}
_GETS = {"GET", "BINGET", "LONG_BINGET"}
_FLAT = {"POP", "POP_MARK", "MARK", "DUP", "STOP", "PROTO", "FRAME"}

_CHANGES = {"BUILD", "APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS"}

_MARK = -1
_GLOBAL = -2  # what a name stands for


def scan(payload: bytes) -> None:
    """Return if nothing in a pickle is to be refused.

    :raises UnsafeObject: it reaches for something outside, or nests too deeply
    :raises UnexpectedReply: it is no pickle, or not all of one
    """
    machine = _Machine()
    try:
        for opcode, argument, _ in _opcodes(payload):
            machine.step(opcode, argument)
    except (UnsafeObject, UnexpectedReply):
        raise
    except Exception as e:  # the library says it in many ways
        raise UnexpectedReply("this is no whole pickle") from e


def _opcodes(payload: bytes) -> Iterator[tuple[Any, Any, Any]]:
    return pickletools.genops(payload)


class _Machine:
    """The depths of what a pickle's stack and memo would hold."""

    def __init__(self) -> None:
        self._stack: list[int] = []
        self._memo: dict[int, int] = {}
        self._num_steps = 0

    def step(self, opcode: Any, argument: Any) -> None:
        """Do to depths what *opcode* does to objects."""
        self._num_steps += 1
        name = opcode.name
        if name in _REACHING:
            raise UnsafeObject(f"the opcode {name} is not allowed")
        if name in _PUTS:
            self._put(int(argument))
        elif name == "MEMOIZE":
            self._put(len(self._memo))
        elif name in _GETS:
            self._stack.append(self._memo[int(argument)])
        elif name == "MARK":
            self._stack.append(_MARK)
        elif name == "DUP":
            self._stack.append(self._stack[-1])
        elif name == "GLOBAL":
            self._stack.append(_GLOBAL)
        elif name == "STACK_GLOBAL":
            self._stack[-2:] = [_GLOBAL]
        else:
            self._replace(opcode)

    def _put(self, number: int) -> None:
        if number > self._num_steps:
            raise UnsafeObject(f"number {number} of the memo is out of order")
        self._memo[number] = self._stack[-1]

    def _replace(self, opcode: Any) -> None:
        popped = self._pop(opcode)
        if opcode.name in _CHANGES and popped[-1] == _GLOBAL:
            raise UnsafeObject("a class or function that is changed is not allowed")
        depth = max((0, *popped))
        if opcode.stack_before and opcode.name not in _FLAT:
            depth += 1
        if depth > MAX_DEPTH:
            raise UnsafeObject(f"objects nested more than {MAX_DEPTH} deep are not allowed")
        self._stack += [depth for _ in opcode.stack_after]

    def _pop(self, opcode: Any) -> list[int]:
        popped = []
        for kind in reversed(opcode.stack_before):
            if kind is pickletools.stackslice:
                while self._stack[-1] != _MARK:
                    popped.append(self._stack.pop())
            else:
                popped.append(self._stack.pop())
        return popped
