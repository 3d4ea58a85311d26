"""ISA-L: arithmetic on whole blocks in GF(256), done by a C library if one is here.

Field, polynomial and matrices are the caller's business (:mod:`.erasure`); this file
finds the library and hands it buffers.  Every call of it releases the interpreter's
lock, so threads work side by side.  Nothing is loaded before :func:`load` is called.

Called through cffi rather than ctypes: it takes any buffer, a read-only view too,
without a copy, and its blocks need not be cleared before they are written.  The price,
some 20 ms to read the prototypes, is paid once, at the first load.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

Buffer = bytes | bytearray | memoryview

PROTOTYPES = """
void ec_init_tables(int k, int num_rows, unsigned char *rows, unsigned char *tables);
void ec_encode_data(int length, int k, int num_rows, unsigned char *tables,
                    unsigned char **inputs, unsigned char **outputs);
int gf_invert_matrix(unsigned char *matrix, unsigned char *inverse, int size);
"""
TABLE_SIZE = 32  # bytes of table for one entry of a matrix
BYTES = "unsigned char[]"
POINTERS = "unsigned char *[]"


class Tables(NamedTuple):
    """Rows of a matrix, laid out as the library wants them; never changed once made."""

    num_rows: int
    num_columns: int
    tables: Any  # cffi's, freed with this


class IsaL:
    """The functions of one loaded library; safe to call from several threads.

    :raises OSError: there is no such library
    :raises AttributeError: it lacks one of the functions
    """

    def __init__(self, path: str) -> None:
        from cffi import FFI  # type: ignore[import-untyped]

        self._ffi = FFI()
        self._ffi.cdef(PROTOTYPES)
        self._lib = self._ffi.dlopen(path)
        self._invert = self._lib.gf_invert_matrix
        self._prepare = self._lib.ec_init_tables
        self._multiply = self._lib.ec_encode_data
        self._uncleared = self._ffi.new_allocator(should_clear_after_alloc=False)

    def invert(self, matrix: Sequence[bytes]) -> list[bytes]:
        """Return the inverse of a square matrix, row by row.

        :raises ValueError: it has none
        """
        size = len(matrix)
        source = self._ffi.new(BYTES, b"".join(matrix))  # a copy: the library spoils it
        inverse = self._ffi.new(BYTES, size * size)
        if self._invert(source, inverse, size) != 0:
            raise ValueError(f"matrix of {size} rows has no inverse")
        found = bytes(self._ffi.buffer(inverse))
        return [found[at : at + size] for at in range(0, size * size, size)]

    def tables(self, rows: Sequence[bytes]) -> Tables:
        """Prepare :meth:`multiply` for these rows, at least one, all of one length."""
        num_rows, num_columns = len(rows), len(rows[0])
        made = self._ffi.new(BYTES, TABLE_SIZE * num_rows * num_columns)
        matrix = self._ffi.from_buffer(BYTES, b"".join(rows))
        self._prepare(num_columns, num_rows, matrix, made)
        return Tables(num_rows, num_columns, made)

    def multiply(self, by: Tables, blocks: Sequence[Buffer]) -> list[memoryview]:
        """Return one new block for each row of the matrix.

        :param blocks: one for each column, all of one length above 0
        """
        length = len(blocks[0])
        made = self._uncleared(BYTES, by.num_rows * length)
        starts = range(0, by.num_rows * length, length)
        inputs = [self._ffi.from_buffer(BYTES, block) for block in blocks]
        self._multiply(
            length,
            by.num_columns,
            by.num_rows,
            by.tables,
            self._ffi.new(POINTERS, inputs),
            self._ffi.new(POINTERS, [made + at for at in starts]),
        )
        whole = memoryview(self._ffi.buffer(made))
        return [whole[at : at + length] for at in starts]


def load(paths: Iterable[str] | None = None) -> IsaL | None:
    """Load the first library that can be, or say that there is none.

    :param paths: where to look; :func:`candidates` if not given
    """
    for path in candidates() if paths is None else paths:
        try:
            return IsaL(path)
        except (OSError, AttributeError, ImportError):
            continue
    return None


def candidates() -> Iterator[str]:
    """Name the places an ISA-L may be: inside PyECLib's wheel, then the system's."""
    spec = find_spec("pyeclib")  # looks, but does not import
    for folder in (spec and spec.submodule_search_locations) or ():
        found = Path(folder).parent.glob("pyeclib.libs/libisal*.so*")
        yield from map(str, sorted(found))
    yield "libisal.so.2"
