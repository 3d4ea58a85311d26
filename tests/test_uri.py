import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from allmydata import uri
from allmydata.crypto.hashutil import tagged_hash
from allmydata.errors import BadCapError
from allmydata.interfaces import IURI, IDirnodeURI, IFileURI
from allmydata.uri.text import _KINDS as KINDS
from tests.support.strategies import furls, keys, known_caps

VECTORS = json.loads(Path(__file__).parent.joinpath("vectors/chk.json").read_text())
KEY, SEAL = (
    "i553birm36o56fncjtbjucwq4a",
    "kki2ucx7ma4fjvvqkkbtum6bwegkh356qwa3li4k2y6ke3e5nvkq",
)
SI = "d7vfifzspo6hrvq5z7ncinkxgu"
CHK = f"URI:CHK:{KEY}:{SEAL}:3:10:56"
VERIFIER = f"URI:CHK-Verifier:{SI}:{SEAL}:3:10:56"
LITERAL = "URI:LIT:amfrkijp"
FURL = "pb://" + "a" * 32 + "@tcp:127.0.0.1:1234,tor:abc.onion:80/swissnum"
DIR, DIR_RO = f"URI:DIR:{FURL}:{KEY}", f"URI:DIR-RO:{FURL}:{KEY}"
UNKNOWN = "URI:FUTURE:djrdkfawoqihigoett4g6auz6a:aaaa"
CHARACTERS = "".join(map(chr, range(33, 127)))


def pieces_of(text):
    """Return every part of a capability that may not be told to anybody."""
    return [piece for piece in re.split(r"[:@/,]", text) if len(piece) > 6]


# ---- round trips and vectors -----------------------------------------------------------


@given(known_caps)
def test_a_cap_reads_back_from_its_text(cap):
    text = cap.to_string()
    assert uri.from_string(text) == cap
    assert type(uri.from_string(text)) is type(cap)
    assert uri.from_string(f" {text}\n").to_string() == text


def test_caps_of_the_reference_are_read_and_written():
    for case in VECTORS["chk"]:
        cap = uri.from_string(case["cap"])
        assert cap.key.hex() == case["key_hex"]
        assert cap.uri_extension_hash.hex() == case["ueb_hash_hex"]
        assert (cap.needed_shares, cap.total_shares) == (case["k"], case["n"])
        assert cap.get_size() == case["size"]
        assert cap.to_string() == case["cap"]
        verifier = cap.get_verify_cap()
        assert verifier.to_string() == case["verify_cap"]
        assert uri.from_string(case["verify_cap"]) == verifier


def test_a_literal_cap_holds_its_file():
    for case in VECTORS["lit"]:
        cap = uri.from_string(case["cap"])
        assert cap.get_size() == len(cap.data) == case["size"]
        assert cap.to_string() == case["cap"]


# ---- what a cap says of itself ---------------------------------------------------------

SAYS = {  # text: type, read-only, mutable, file or directory
    CHK: (uri.CHKFileURI, True, False, IFileURI),
    VERIFIER: (uri.CHKFileVerifierURI, True, False, None),
    LITERAL: (uri.LiteralFileURI, True, False, IFileURI),
    DIR: (uri.DirnodeURI, False, True, IDirnodeURI),
    DIR_RO: (uri.ReadOnlyDirnodeURI, True, True, IDirnodeURI),
    UNKNOWN: (uri.UnknownURI, False, True, None),
}


@pytest.mark.parametrize("text", SAYS, ids=lambda text: ":".join(text.split(":")[:2]))
def test_each_kind_keeps_its_contract(text):
    kind, readonly, mutable, nature = SAYS[text]
    cap = uri.from_string(text)
    assert type(cap) is kind
    assert verifyObject(IURI, cap)
    for interface in (IFileURI, IDirnodeURI):
        assert interface.providedBy(cap) == (interface is nature)
        assert nature is not interface or verifyObject(interface, cap)
    assert (cap.is_readonly(), cap.is_mutable()) == (readonly, mutable)
    assert cap.to_string() == text
    assert not readonly or cap.get_readonly() is cap
    assert hash(cap) == hash(uri.from_string(text))


def test_a_read_cap_gives_a_verify_cap_that_can_be_used_without_it():
    verifier = uri.from_string(CHK).get_verify_cap()
    assert verifier.to_string() == VERIFIER
    assert verifier.get_verify_cap() is verifier
    assert verifier.get_size() == 56
    assert uri.from_string(LITERAL).get_verify_cap() is None


@given(furls(), keys)
def test_a_directory_s_read_key_is_derived_from_its_write_key(furl, key):
    cap = uri.DirnodeURI(furl, key)
    reader = cap.get_readonly()
    assert reader.furl == furl
    assert reader.read_key == tagged_hash(b"allmydata_vdrive_read_key_v2", key)[:16]
    assert uri.from_string(reader.to_string()) == reader


def test_the_directory_caps_printed_in_the_page_are_right():
    cap = uri.from_string("URI:DIR:pb://x@h/n:aaaqeayeaudaocajbifqydiob4")
    assert cap.write_key == bytes(range(16))
    assert (
        cap.get_readonly().to_string() == "URI:DIR-RO:pb://x@h/n:joqaolu6tniezig24ylssa6afu"
    )


def test_nothing_weaker_can_be_derived_from_a_cap_nobody_knows():
    assert uri.from_string(UNKNOWN).get_readonly() is None


def test_printing_a_cap_does_not_give_it_away():
    for text in SAYS:
        cap = uri.from_string(text)
        values = [v for name, v in vars(cap).items() if name != "storage_index"]
        secrets = {KEY, SEAL, FURL, text, *map(repr, filter(_is_text, values))}
        assert not [secret for secret in secrets if secret in repr(cap)]


def _is_text(value):
    return isinstance(value, bytes | str)


# ---- directories and their furls -------------------------------------------------------


@pytest.mark.parametrize(
    "furl",
    [
        "pb://abc@tcp:10.0.0.1:3457/name",
        "pb://abc@tcp:h:1,tcp:i:2,tor:x.onion:3,i2p:y.b32.i2p:4/name",
        "pb://abc@10.0.0.1:3457/name",
        "pb://abc@tcp:[::1]:3457/a-b_c",
        "pb://abc@,/name",
    ],
)
def test_a_furl_may_hold_many_colons_and_commas(furl):
    for kind, text in ((uri.DirnodeURI, "DIR"), (uri.ReadOnlyDirnodeURI, "DIR-RO")):
        cap = uri.from_string(f"URI:{text}:{furl}:{KEY}")
        assert type(cap) is kind
        assert cap.furl == furl
        assert cap.to_string() == f"URI:{text}:{furl}:{KEY}"


# ---- refusals --------------------------------------------------------------------------

REFUSED = [
    ("", "not a capability"),
    (" \n", "not a capability"),
    ("URI:CHK: a", "not a capability"),
    ("URI:LIT:am\nURI:LIT:am", "not a capability"),
    ("URI:LIT:\0", "not a capability"),
    ("URI:X:\u00e9", "not a capability"),
    ("URI:LIT:" + "a" * 1000, "not a capability"),
    ("URI:CHK:", "there are 1 fields, wanted 5"),
    (CHK + ":1", "there are 6 fields"),
    (CHK.replace(":56", ""), "there are 4 fields"),
    (CHK.replace(KEY, KEY[:-2]), "a field holds 15 bytes, wanted 16"),
    (CHK.replace(KEY, KEY[:-1]), "25 characters can't be whole bytes"),
    (CHK.replace(KEY, KEY.upper()), "only a-z and 2-7"),
    (CHK.replace(KEY, KEY[:-1] + "b"), "spare bits"),
    (CHK.replace(SEAL, KEY), "a field holds 16 bytes, wanted 32"),
    (CHK.replace(":3:", ":03:"), "must be numbers"),
    (CHK.replace(":3:", ":+3:"), "must be numbers"),
    (CHK.replace(":3:", ":x:"), "must be numbers"),
    (CHK.replace(":3:", "::"), "must be numbers"),
    (CHK.replace(":56", ":" + "9" * 19), "up to 18 digits"),
    (CHK.replace(":3:", ":0:"), "0 of 10 shares"),
    (CHK.replace(":3:", ":11:"), "11 of 10 shares"),
    (CHK.replace(":10:", ":257:"), "3 of 257 shares"),
    (CHK.replace(":56", ":0"), "0 bytes"),
    (VERIFIER.replace(SI, SEAL), "a field holds 32 bytes, wanted 16"),
    (VERIFIER + "\x7f", "not a capability"),
    (VERIFIER + "junk", "must be numbers"),
    ("URI:LIT:a", "can't be whole bytes"),
    ("URI:LIT:am=", "only a-z and 2-7"),
    ("URI:DIR:" + KEY, "pb:// address"),
    (DIR[:-1], "pb:// address"),
    (DIR + "a", "pb:// address"),
    (DIR[:-1] + "b", "spare bits"),
    (DIR + "/child", "pb:// address"),
    (DIR.replace("pb://", "http://"), "pb:// address"),
    (DIR.replace("/swissnum", ""), "pb:// address"),
    (DIR.replace("swissnum", "a/b"), "pb:// address"),
    (DIR.replace("swissnum", "swiss:num"), "pb:// address"),
    (DIR_RO.replace("@", ""), "pb:// address"),
    ("ro." + DIR, "holds more authority"),
    ("imm." + DIR, "holds more authority"),
    ("imm." + DIR_RO, "holds more authority"),
    ("ro." + CHK + ":1", "there are 6 fields"),
]


def test_what_is_no_cap_is_refused_and_never_quoted():
    for text, why in REFUSED:
        with pytest.raises(BadCapError, match=why) as caught:
            uri.from_string(text)
        told = str(caught.value) + caught.value.why + caught.value.fix
        assert not [p for p in pieces_of(text) if p in told and p != "CHK-Verifier"]
        assert caught.value.fix


@pytest.mark.parametrize("text", [CHK, VERIFIER, DIR], ids=["CHK", "Verifier", "DIR"])
def test_a_cap_mistyped_at_one_character_is_refused_or_another_cap(text):
    cap, refused = uri.from_string(text), 0
    for index, right in enumerate(text):
        for wrong in CHARACTERS.replace(right, ""):
            try:
                other = uri.from_string(text[:index] + wrong + text[index + 1 :])
            except BadCapError as e:
                refused += 1
                assert not [s for s in (KEY, SEAL, SI) if s in str(e)]
            else:
                assert other != cap
    assert refused > 1000


def test_a_cap_cut_short_or_with_a_character_missing_is_refused_or_another_cap():
    for text in (CHK, VERIFIER, DIR, DIR_RO):
        cap = uri.from_string(text)
        for index in range(len(text)):
            for mistyped in (text[:index], text[:index] + text[index + 1 :]):
                try:
                    assert uri.from_string(mistyped) != cap
                except BadCapError:
                    continue


@settings(max_examples=200)
@given(st.text(max_size=60), st.sampled_from(["", *sorted(KINDS)]))
def test_any_text_is_refused_or_read_to_what_writes_it_back(text, kind):
    try:
        cap = uri.from_string(kind + text)
    except BadCapError:
        return
    assert cap.to_string() == (kind + text).strip()


# ---- assertions and unknown kinds ------------------------------------------------------


def test_an_assertion_that_is_true_is_dropped():
    for text in (CHK, VERIFIER, LITERAL):
        for prefix in ("ro.", "imm."):
            assert uri.from_string(prefix + text) == uri.from_string(text)
    assert uri.from_string("ro." + DIR_RO) == uri.from_string(DIR_RO)


@pytest.mark.parametrize(
    ("prefix", "readonly", "mutable"),
    [("", False, True), ("ro.", True, True), ("imm.", True, False)],
)
def test_a_kind_nobody_knows_is_kept_with_what_its_holder_asserted(
    prefix, readonly, mutable
):
    cap = uri.from_string(prefix + UNKNOWN)
    assert type(cap) is uri.UnknownURI
    assert cap.to_string() == prefix + UNKNOWN
    assert (cap.is_readonly(), cap.is_mutable()) == (readonly, mutable)
    assert cap.get_readonly() is (cap if readonly else None)


@pytest.mark.parametrize("text", ["URI:NEW:abc", "uri:CHK:" + KEY, "lafs://x", "x-grid:1"])
def test_other_words_are_caps_of_kinds_nobody_knows_yet(text):
    assert uri.from_string(text) == uri.UnknownURI(text)


# ---- init_from_string ------------------------------------------------------------------


@pytest.mark.parametrize("text", SAYS, ids=lambda text: ":".join(text.split(":")[:2]))
def test_a_cap_can_become_another_of_its_kind(text):
    other = text[:-1] + (
        "7" if text in (CHK, VERIFIER) else "y" if text == UNKNOWN else "q"
    )
    if text == LITERAL:
        other = "URI:LIT:am"
    cap = uri.from_string(text)
    for name in ("storage_index", "read_key"):
        getattr(cap, name, None)  # so that it is remembered, and must be forgotten
    assert cap.init_from_string(other) is cap
    assert cap == uri.from_string(other)
    assert cap.to_string() == other
    for name in ("storage_index", "read_key"):
        assert getattr(cap, name, None) == getattr(uri.from_string(other), name, None)


def test_a_cap_stays_what_it_is_when_it_can_not_become_the_other():
    for text in SAYS:
        cap = uri.from_string(text)
        for other in [*(SAYS.keys() - {text}), "", "URI:CHK:x"]:
            with pytest.raises(BadCapError) as caught:
                cap.init_from_string(other)
            assert cap == uri.from_string(text)
            told = str(caught.value)
            assert not [p for p in pieces_of(other) if p in told and p != "CHK-Verifier"]
