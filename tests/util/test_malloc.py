"""Memory that goes back to the system, and where there is no glibc to ask for that."""

import gc
import linecache
import subprocess
import sys

import pytest

from allmydata.util import malloc


class Other:
    """A C library that is not glibc."""


def test_glibc_is_found_where_it_is():
    libc = malloc._glibc()
    assert libc is not None
    assert libc.gnu_get_libc_version


def test_threads_are_let_share_arenas():
    assert malloc.few_arenas()


def resident():
    with open("/proc/self/statm") as told:
        return int(told.read().split()[1]) * 4096


def test_a_large_buffer_stays_to_be_used_again():
    """In a process of its own: it can't be undone."""
    code = (
        "from allmydata.util import malloc; from tests.util.test_malloc import resident\n"
        "assert malloc.reuse(64 * 2**20)\n"
        "piece = b'x' * (3 * 2**20); before = resident(); del piece\n"
        "print(before - resident())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert int(done.stdout) < 2**20, "glibc by itself gives it back at once"


def test_what_is_free_in_the_middle_of_the_heap_goes_back():
    pieces = [bytes(100_000) for _ in range(400)]
    del pieces[:-1]  # the last is at the end: glibc by itself gives nothing back below it
    assert malloc.give_back()


def test_the_text_of_what_attrs_wrote_is_forgotten():
    linecache.cache["<attrs generated init x>"] = (1, None, ["pass"], "x")
    malloc.give_back()
    assert not linecache.cache


def test_what_is_loaded_is_passed_over_by_the_collector():
    gc.unfreeze()
    before = gc.get_threshold()
    try:
        malloc.settle(5_000)
        assert gc.get_freeze_count() > 10_000
        assert gc.get_threshold() == (5_000, *before[1:])
    finally:
        gc.set_threshold(*before)


@pytest.mark.parametrize("missing", [lambda _: Other(), None])
def test_without_glibc_nothing_is_done(monkeypatch, missing):
    def fails(_name):
        raise OSError("there is no such library")

    monkeypatch.setattr(malloc.ctypes, "CDLL", missing or fails)
    malloc._glibc.cache_clear()
    try:
        assert not malloc.few_arenas()
        assert not malloc.reuse(2**20)
        assert not malloc.give_back()
    finally:
        malloc._glibc.cache_clear()
