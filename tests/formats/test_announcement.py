import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allmydata.crypto.signing import NodeKey, check_signed
from allmydata.errors import BadHashError, CorruptError
from allmydata.formats.announcement import MAX_MESSAGE, Announcement, storage_facts

KEY = NodeKey(b"k" * 32)
FURL = "pb://" + "a" * 32 + "@tcp:127.0.0.1:1/" + "b" * 32
NURL = "pb://" + "A" * 43 + "@127.0.0.1:1/swissnum#v=1"


def facts(**changes):
    told = storage_facts(
        nickname="alice",
        version="allmydata/1",
        furl=FURL,
        nurls=[NURL],
        seed=b"s" * 20,
        seqnum=1,
        nonce=bytes(32),
    )
    return told | changes


def test_a_key_reads_back_and_signs():
    assert NodeKey.load(KEY.text) == KEY
    assert len(KEY.name) == 55
    check_signed(KEY.name, KEY.sign(b"data"), b"data")
    for name, signature, data in [
        (KEY.name, KEY.sign(b"data"), b"other"),
        (NodeKey(b"x" * 32).name, KEY.sign(b"data"), b"data"),
        ("pub-" + KEY.name, KEY.sign(b"data"), b"data"),
        (KEY.name, "v0-short", b"data"),
        ("", "", b""),
    ]:
        with pytest.raises(BadHashError):
            check_signed(name, signature, data)


def test_the_test_vector_of_rfc_8032():
    from allmydata.util import base32

    seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
    public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert NodeKey(bytes.fromhex(seed)).name == "v0-" + base32.b2a(bytes.fromhex(public))


@pytest.mark.parametrize("text", ["", "v0-aaaa", "priv-v0-", "priv-v0-aaaa", "priv-v0-!!"])
def test_what_is_no_private_key_is_refused_and_not_quoted(text):
    with pytest.raises(ValueError) as e:
        NodeKey.load(text)
    assert text[8:] == "" or text[8:] not in str(e.value)


def test_a_signed_announcement_is_opened():
    found = Announcement.open(Announcement.sign(facts(), KEY).signed)
    assert (found.furl, found.nurls, found.seed) == (FURL, [NURL], b"s" * 20)
    assert found.index == ("storage", KEY.name)
    assert found.nickname == "alice"


@pytest.mark.parametrize(
    "change",
    [
        lambda m, s, k: (m + b" ", s, k),
        lambda m, s, k: (m, s[:-1] + b"7", k) if s[-1:] != b"7" else (m, s[:-1] + b"a", k),
        lambda m, s, k: (m, s, NodeKey(b"x" * 32).name.encode()),
        lambda m, s, k: (m, None, k),
        lambda m, s, k: (m, b"", k),
        lambda m, s, k: (m, s),
        lambda m, s, k: [m, s, k],
        lambda m, s, k: (m, s, k.replace(b"v0-", b"v1-")),
        lambda m, s, k: "text",
    ],
)
def test_what_its_key_did_not_sign_is_refused(change):
    with pytest.raises(CorruptError):
        Announcement.open(change(*Announcement.sign(facts(), KEY).signed))


@pytest.mark.parametrize(
    "message", [b"[]", b"{", b"\xff", b"[" * 40000, b" " * MAX_MESSAGE]
)
def test_what_is_signed_and_no_object_is_refused(message):
    signed = message + b"{}" * (len(message) == MAX_MESSAGE)
    with pytest.raises(CorruptError):
        Announcement.open((signed, KEY.sign(signed).encode(), KEY.name.encode()))


@given(
    st.dictionaries(
        st.sampled_from(sorted(facts())),
        st.one_of(
            st.none(),
            st.integers(),
            st.text(),
            st.lists(st.text()),
            st.dictionaries(st.text(), st.text()),
        ),
    )
)
def test_members_of_odd_types_are_as_if_they_were_not_there(odd):
    found = Announcement.open(Announcement.sign(facts() | odd, KEY).signed)
    assert isinstance(found.furl, str) and isinstance(found.seed, bytes)
    assert all(isinstance(one, str) for one in found.nurls)
    assert isinstance(found.service, str)


@pytest.mark.parametrize(
    ("old", "new", "is_news"),
    [
        (1, 2, True),
        (2, 2, False),
        (2, 1, False),
        (2, None, False),
        (2, "3", False),
        (2, True, False),
        (None, 1, True),
    ],
)
def test_only_what_counts_higher_replaces_what_is_known(old, new, is_news):
    first = Announcement.sign(facts(seqnum=old), KEY)
    second = Announcement.sign(facts(seqnum=new, nickname="bob"), KEY)
    assert second.replaces(first) is is_news
    assert not first.replaces(first)


def test_an_old_and_lasting_form_of_the_message_is_kept_byte_for_byte():
    message = json.dumps(facts(), indent=3).encode()
    signed = (message, KEY.sign(message).encode(), KEY.name.encode())
    assert Announcement.open(signed).signed == signed
