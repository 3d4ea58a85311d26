import pytest

from allmydata.formats.nurl import Nurl, nurls_of, swissnum_of

HASH = "A" * 42 + "E"  # the last character has no spare bits set
TEXT = f"pb://{HASH}@example.org:3457/swissnum#v=1"
FURL = "pb://" + "a" * 32 + "@{}/swissnum"


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        TEXT.replace("example.org", "[::1]"),
        TEXT.replace("pb://", "pb+tor://").replace("example.org", "abc.onion"),
    ],
)
def test_a_nurl_reads_back(text):
    assert Nurl.parse(text).text == text


def test_the_parts_of_a_nurl_are_named():
    nurl = Nurl.parse(TEXT)
    assert (nurl.host, nurl.port, nurl.swissnum) == ("example.org", 3457, "swissnum")
    assert len(nurl.spki_hash) == 32 and not nurl.is_tor
    assert nurl.where == "example.org:3457"


def test_a_nurl_does_not_show_its_secret():
    assert "swissnum" not in repr(Nurl.parse(TEXT)).replace("swissnum=", "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        TEXT.replace("#v=1", ""),
        TEXT.replace("#v=1", "#v=2"),
        TEXT.replace("pb:", "http:"),
        TEXT.replace(HASH, HASH[:-1]),
        TEXT.replace(HASH, "A" * 42 + "F"),
        TEXT.replace("3457", "0"),
        TEXT.replace("3457", "65536"),
        TEXT.replace("swissnum", ""),
        TEXT.replace("swissnum", "a/b"),
        TEXT.replace("swissnum", "a\r\nb"),
        TEXT.replace("example.org", "user@example.org"),
        TEXT + "\n",
        TEXT.replace("swissnum", "s" * 1000),
    ],
)
def test_what_is_no_nurl_is_refused_and_not_quoted(text):
    with pytest.raises(ValueError, match="not a NURL") as caught:
        Nurl.parse(text)
    assert "swiss" not in str(caught.value)


def test_each_tcp_and_tor_hint_makes_a_nurl():
    furl = FURL.format("tcp:a:1,tor:b.onion:2,i2p:c.i2p,tcp:[::1]:3,nonsense")
    texts = [nurl.text.replace(HASH, "H") for nurl in nurls_of(furl, b"\0" * 31 + b"\1")]
    assert texts == [
        "pb://H@a:1/swissnum#v=1",
        "pb+tor://H@b.onion:2/swissnum#v=1",
        "pb://H@[::1]:3/swissnum#v=1",
    ]
    assert swissnum_of(furl) == "swissnum"


@pytest.mark.parametrize("read", [swissnum_of, lambda furl: nurls_of(furl, bytes(32))])
def test_what_is_no_furl_has_no_nurls(read):
    with pytest.raises(ValueError, match="not a FURL"):
        read("pb://nonsense")
