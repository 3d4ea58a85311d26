"""The demo's film: a WebM file, whatever its size."""

import struct

import pytest

from allmydata.node.demo.film import film

SEGMENT, CLUSTER, VOID, CUES = 0x18538067, 0x1F43B675, 0xEC, 0x1C53BB6B


def elements(data, start, end):
    """Yield (id, where its content begins, where that ends, where the element begins)."""
    at = start
    while at < end:
        name, width = number(data, at, keep_marker=True)
        size, more = number(data, at + width, keep_marker=False)
        begin = at + width + more
        assert begin + size <= end
        yield name, begin, begin + size, at
        at = begin + size


def number(data, at, *, keep_marker):
    width = 9 - data[at].bit_length()
    value = int.from_bytes(data[at : at + width], "big")
    return (value if keep_marker else value & ((1 << 7 * width) - 1)), width


@pytest.mark.parametrize("size", [0, 10**6, 7 * 10**6 + 1])
def test_cues_lead_to_clusters_however_far_apart(size):
    data = film(size)
    _, (name, begin, end, _) = elements(data, 0, len(data))
    assert name == SEGMENT and end == len(data)
    inside = list(elements(data, begin, end))
    clusters = [at - begin for name, _, _, at in inside if name == CLUSTER]
    assert len(clusters) == 15
    assert [name for name, *_ in inside].count(VOID) == 15
    ((_, first, last, _),) = [one for one in inside if one[0] == CUES]
    told = []
    for _, a, b, _ in elements(data, first, last):
        (_, (_, c, d, _)) = elements(data, a, b)
        places = {name: data[e:f] for name, e, f, _ in elements(data, c, d)}
        told.append(struct.unpack(">Q", places[0xF1])[0])
    assert told == clusters


def test_it_is_as_large_as_was_asked():
    size = 3 * 10**6
    assert size - 20 <= len(film(size)) <= size
