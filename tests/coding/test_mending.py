"""Where missing shares go, with some servers barred from some numbers."""

from hypothesis import given
from hypothesis import strategies as st

from allmydata.coding.mending import plan_mending

SERVERS = "abcdef"


def test_a_missing_share_goes_to_an_empty_server():
    held = {"a": {0}, "b": {1}}
    assert plan_mending(3, "abc", "", held).new == {2: "c"}


def test_a_server_with_a_bad_share_gets_another_number_in_exchange():
    held = {"a": {0}, "b": set(), "c": set()}
    mended = plan_mending(3, "abc", "", held, {(1, "b")})
    assert mended.new == {1: "c", 2: "b"} and not mended.unplaced


def test_an_empty_server_takes_what_another_can_not():
    mended = plan_mending(2, "abc", "", {"a": {0}}, {(1, "b")})
    assert mended.new == {1: "c"}


def test_a_server_that_holds_one_takes_a_second_if_there_is_no_other():
    mended = plan_mending(2, "ab", "", {"a": {0}}, {(1, "b")})
    assert mended.new == {1: "a"}


def test_a_share_that_nobody_takes_is_told_of():
    mended = plan_mending(2, "a", "b", {"a": set(), "b": {0}}, {(1, "a")})
    assert 1 not in mended.new and mended.unplaced == {1}


sets = st.sets(st.integers(0, 5))


@given(
    st.dictionaries(st.sampled_from(SERVERS), sets),
    st.sets(st.tuples(st.integers(0, 5), st.sampled_from(SERVERS))),
    st.integers(0, 6),
)
def test_every_number_is_somewhere_or_told_missing(held, barred, num_writable):
    held = {s: {n for n in held.get(s, ()) if (n, s) not in barred} for s in SERVERS}
    writable, readonly = SERVERS[:num_writable], SERVERS[num_writable:]
    mended = plan_mending(6, writable, readonly, held, barred)
    somewhere = {n for shares in held.values() for n in shares}
    assert mended.unplaced == set(range(6)) - somewhere - mended.new.keys()
    for shnum, server in mended.new.items():
        assert server in writable and (shnum, server) not in barred
        assert shnum not in held[server]
    for shnum in mended.unplaced:
        assert all((shnum, server) in barred for server in writable)
