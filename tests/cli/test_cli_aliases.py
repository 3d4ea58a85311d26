import json
import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allmydata import errors, uri
from allmydata.cli.aliases import (
    PRIVATE_ROOT,
    AliasFile,
    Target,
    check_alias,
    is_directory,
    is_remote,
    resolve,
    url_path,
)
from allmydata.util.names import check_name

FURL = f"pb://{'a' * 32}@tcp:127.0.0.1:1234,tcp:h.example:1/{'b' * 32}"
CAP = uri.DirnodeURI(FURL, bytes(16)).to_string()
READONLY = uri.ReadOnlyDirnodeURI(FURL, bytes(16)).to_string()
CHK = uri.CHKFileURI(bytes(16), bytes(32), 3, 10, 99).to_string()
ALIASES = {"work": CAP, "tahoe": READONLY}


def is_name(text):
    try:
        return check_name(text) == text
    except errors.BadNameError:
        return False


names = st.text(max_size=80).filter(is_name)

# ---- what is written


@pytest.mark.parametrize(
    ("text", "root", "path"),
    [
        ("work:", CAP, ()),
        ("work:/", CAP, ()),
        ("work:a", CAP, ("a",)),
        ("work:/a", CAP, ("a",)),
        ("work:a/b/", CAP, ("a", "b")),
        ("work:a:b", CAP, ("a:b",)),
        ("work:~/a", CAP, ("~", "a")),
        ("work: a ", CAP, (" a ",)),
        ("a/b", READONLY, ("a", "b")),
        ("a/b:c", READONLY, ("a", "b:c")),
        ("", READONLY, ()),
        ("/", READONLY, ()),
        ("tahoe:", READONLY, ()),
        (CAP, CAP, ()),
        (f" {CAP}\n", CAP, ()),
        (f"{CAP}/", CAP, ()),
        (f"{CAP}/a/b:c", CAP, ("a", "b:c")),
        (f"{READONLY}/a", READONLY, ("a",)),
        (f"{CAP}/a ", CAP, ("a ",)),
        (CHK, CHK, ()),
        ("URI:DIR2:abc:def/a/b", "URI:DIR2:abc:def", ("a", "b")),
        ("work:%2e%2e", CAP, ("%2e%2e",)),
        ("work:e\u0301", CAP, ("\xe9",)),
    ],
)
def test_resolve(text, root, path):
    target = resolve(text, ALIASES)
    assert (target.root, target.path) == (root, path)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("nope:a", errors.NotFoundError),
        (":a", errors.NotFoundError),
        ("work:a//b", errors.BadNameError),
        ("work://a", errors.BadNameError),
        ("work:..", errors.BadNameError),
        ("work:a/./b", errors.BadNameError),
        ("work:a\0b", errors.BadNameError),
        ("work:" + "a" * 256, errors.BadNameError),
        ("work:" + os.fsdecode(b"\xff"), errors.BadNameError),
        ("./a", errors.BadNameError),
        (CAP[:-1], errors.BadCapError),
        (CAP + "a", errors.BadCapError),
        (CAP + ":a", errors.BadCapError),
        (f"{CAP}/..", errors.BadNameError),
    ],
)
def test_resolve_refuses(text, error):
    with pytest.raises(error) as caught:
        resolve(text, ALIASES)
    assert "pb://" not in f"{caught.value}{caught.value.why}{caught.value.fix}"


def test_without_the_default_alias_the_private_root_is_meant():
    assert resolve("a", {}) == Target(PRIVATE_ROOT, ("a",), "a", False)


@given(st.lists(names, max_size=4), st.sampled_from(["work:", CAP + "/"]))
def test_resolve_reads_back_any_path(path, start):
    assert resolve(start + "/".join(path), ALIASES).path == tuple(path)


@given(st.text())
def test_resolve_answers_or_refuses_any_text(text):
    try:
        resolve(text, ALIASES)
    except errors.GridError:
        pass


@pytest.mark.parametrize(
    ("text", "slash"),
    [
        ("work:", True),
        ("work:a/", True),
        ("work:a", False),
        (CAP, True),
        (CAP + "/a", False),
    ],
)
def test_a_slash_at_the_end_means_a_directory(text, slash):
    assert resolve(text, ALIASES).slash is slash


@pytest.mark.parametrize(
    "text", ["work:", "work:a/b", "nope:a", CAP, CHK, "C:x", "ro." + CHK]
)
def test_is_remote(text):
    assert is_remote(text)


@pytest.mark.parametrize("text", ["a", "a/b", "./work:a", "/x:y", "../a:b", "", "a/b:c"])
def test_is_local(text):
    assert not is_remote(text)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("URI:X:y", "/uri/URI%3AX%3Ay"),
        ("URI:X:y/a b/ü/%2e?t=x#", "/uri/URI%3AX%3Ay/a%20b/%C3%BC/%252e%3Ft%3Dx%23"),
        ("a/b", "/vdrive/private/a/b"),
    ],
)
def test_url_path(text, path):
    assert url_path(resolve(text, {})) == path


def test_url_path_quotes_the_slashes_of_a_capability():
    assert url_path(resolve(CAP + "/a", {})).count("/") == 3


def test_a_child_and_its_parent():
    for start in ("work:", "work:a", "work:a/", "", CAP):
        target = resolve(start, ALIASES)
        child = target.child("x")
        assert (child.name, child.path, child.slash) == ("x", (*target.path, "x"), False)
        assert resolve(child.text, ALIASES) == child
        assert child.parent().path == target.path


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "\0"])
def test_a_child_needs_a_name(name):
    with pytest.raises(errors.BadNameError):
        resolve("work:", ALIASES).child(name)


def test_a_root_has_no_parent():
    with pytest.raises(errors.UsageError):
        resolve("work:", ALIASES).parent()


@pytest.mark.parametrize(
    ("cap", "answer"),
    [
        (CAP, True),
        (READONLY, True),
        ("URI:DIR2:a:b", True),
        ("URI:DIR2-RO:a:b", True),
        ("imm.URI:DIR2-CHK:a:b", True),
        (CHK, False),
        ("URI:DIRT:a", False),
    ],
)
def test_is_directory(cap, answer):
    assert is_directory(cap) is answer


@pytest.mark.parametrize(
    "name", ["", ":", "a b", "a/b", "a:b", "#a", "-a", "a\nb", "URI", "\x7f"]
)
def test_check_alias_refuses(name):
    with pytest.raises(errors.UsageError):
        check_alias(name)


# ---- the file


@pytest.fixture
def file(tmp_path):
    return AliasFile.of(tmp_path)


def test_a_file_keeps_its_comments_and_order(file):
    file.path.parent.mkdir()
    file.path.write_text(f"# mine\n\nwork: {CAP}\n  # more\nlast:{READONLY}")
    file.add("new", CHK)
    file.remove("work")
    kept = ["# mine", "", "  # more", f"last:{READONLY}", f"new: {CHK}", ""]
    assert file.path.read_text().split("\n") == kept
    assert file.read() == {"last": READONLY, "new": CHK}


def test_a_file_is_private(file):
    file.add("work", CAP)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700


def test_a_file_open_to_others_is_closed_when_it_is_written(file):
    file.add("work", CAP)
    file.path.chmod(0o644)
    file.add("more", CAP)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_a_file_that_is_a_link_stays_one(file, tmp_path):
    real = tmp_path / "real"
    file.path.parent.mkdir()
    file.path.symlink_to(real)
    file.add("work", CAP)
    assert file.path.is_symlink()
    assert CAP in real.read_text()


def test_an_alias_is_made_once(file):
    file.add("work", CAP)
    with pytest.raises(errors.ConflictError):
        file.add("work", READONLY)
    assert file.read() == {"work": CAP}


@pytest.mark.parametrize("line", ["work", "work:", ": URI:X"])
def test_a_bad_line_is_named(file, line):
    file.path.parent.mkdir()
    file.path.write_text(f"# ok\n{line}\n")
    with pytest.raises(errors.ConfigError, match="aliases:2: "):
        file.read()


def test_a_file_that_is_no_text_is_an_error(file):
    file.path.parent.mkdir()
    file.path.write_bytes(b"\xff\xfe")
    with pytest.raises(errors.ConfigError, match="can't be read"):
        file.read()


# ---- the commands


def aliases(node):
    return AliasFile.of(node).read()


def test_create_alias(tahoe, node, drive):
    done = tahoe("-d", node, "create-alias", "work:")
    assert (done.code, done.out, done.err) == (0, "Alias 'work' created\n", "")
    assert aliases(node)["work"] in drive.directories


def test_create_alias_of_the_default_is_the_private_root(tahoe, node, drive):
    tahoe("-d", node, "create-alias", "tahoe")
    assert aliases(node) == {"tahoe": drive.roots["private"]}


@pytest.mark.parametrize("words", [["create-alias", "work"], ["add-alias", "work", CAP]])
def test_an_alias_that_is_there_is_left(tahoe, node, gateway, words):
    AliasFile.of(node).add("work", READONLY)
    done = tahoe("-d", node, *words)
    assert (done.code, done.out) == (16, "")
    assert "Alias 'work' already exists!" in done.err
    assert aliases(node) == {"work": READONLY}
    assert not gateway.requests


def test_add_alias(tahoe, node, gateway):
    done = tahoe("-d", node, "add-alias", "work", CAP)
    assert (done.code, done.out) == (0, "Alias 'work' added\n")
    assert aliases(node) == {"work": CAP}
    assert not gateway.requests


def test_add_alias_reads_the_capability_from_standard_input(tahoe, node):
    assert tahoe("-d", node, "add-alias", "work", "-", stdin=CAP.encode() + b"\n").code == 0
    assert aliases(node) == {"work": CAP}


def test_add_alias_of_a_path(tahoe, node, drive):
    inner = drive.make()
    AliasFile.of(node).add("work", drive.make(a=inner))
    assert tahoe("-d", node, "add-alias", "inner", "work:a").code == 0
    assert aliases(node)["inner"] == inner


@pytest.mark.parametrize(
    ("name", "place", "code"),
    [
        ("a b", CAP, 3),
        ("new", CHK, 3),
        ("new", CAP[:-1], 3),
        ("new", "work:nope", 2),
        ("new", "nope:", 2),
    ],
)
def test_add_alias_refuses(tahoe, node, drive, name, place, code):
    AliasFile.of(node).add("work", drive.make())
    done = tahoe("-d", node, "add-alias", name, place)
    assert (done.code, done.out) == (code, "")
    assert list(aliases(node)) == ["work"]


def test_list_aliases_aligns_the_names(tahoe, node, gateway):
    for name, cap in (("work", CAP), ("a-longer", READONLY)):
        AliasFile.of(node).add(name, cap)
    done = tahoe("-d", node, "list-aliases")
    assert done.out == f"  a-longer: {READONLY}\n      work: {CAP}\n"
    readonly = uri.from_string(CAP).get_readonly().to_string()
    done = tahoe("-d", node, "list-aliases", "--readonly-uri")
    assert done.out == f"  a-longer: {READONLY}\n      work: {readonly}\n"
    assert not gateway.requests


def test_list_aliases_as_json(tahoe, node):
    for name, cap in (("work", CAP), ("look", READONLY), ("old", "URI:DIR2:a:b")):
        AliasFile.of(node).add(name, cap)
    done = tahoe("-d", node, "list-aliases", "--json")
    readonly = uri.from_string(CAP).get_readonly().to_string()
    assert json.loads(done.out) == {
        "work": {"readwrite": CAP, "readonly": readonly},
        "look": {"readwrite": None, "readonly": READONLY},
        "old": {"readwrite": "URI:DIR2:a:b", "readonly": None},
    }
    assert done.out.startswith('{\n    "work": {\n        "readwrite": ')


def test_list_aliases_of_none(tahoe, node):
    done = tahoe("-d", node, "list-aliases")
    assert (done.code, done.out, done.err) == (0, "", "")


def test_rm_alias_prints_what_might_be_the_only_way(tahoe, node):
    AliasFile.of(node).add("work", CAP)
    done = tahoe("-d", node, "rm-alias", "work")
    assert done.out == f"Alias 'work' removed; it stood for\n{CAP}\n"
    assert aliases(node) == {}
    assert tahoe("-d", node, "rm-alias", "work").code == 2


def test_the_first_use_of_the_default_makes_it(tahoe, node, drive):
    assert tahoe("-d", node, "ls").code == 0
    assert aliases(node) == {"tahoe": drive.roots["private"]}
    assert stat.S_IMODE((node / "private" / "aliases").stat().st_mode) == 0o600


def test_the_default_node_directory_is_the_home_of_the_default(
    tahoe, node, drive, tmp_path, monkeypatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    node.rename(tmp_path / ".tahoe")
    (tmp_path / "f").write_bytes(b"x")
    assert tahoe("put", tmp_path / "f", "tahoe:d/f").code == 0
    assert tahoe("ls", "tahoe:d").out == "f\n"
    assert tahoe("rm", "tahoe:d/f").out == "200 OK\n"
    assert tahoe("ls", "tahoe:d").out == ""


def test_an_unknown_alias_is_named_with_those_there_are(tahoe, node, gateway):
    AliasFile.of(node).add("work", CAP)
    done = tahoe("-d", node, "ls", "wrok:a")
    assert done.code == 2
    first, why, _ = done.err.splitlines()
    assert first.startswith("error: there is no alias 'wrok'")
    assert why == "  aliases: work"
    assert not gateway.requests


# ---- completion


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("ls w", ["work:"]),
        ("ls ", ["tahoe:", "work:"]),
        ("mv work:a ", ["tahoe:", "work:"]),
        ("ls x", []),
    ],
)
def test_completion_of_aliases(tahoe, node, monkeypatch, gateway, words, found):
    for name in ("work", "tahoe"):
        AliasFile.of(node).add(name, CAP)
    line = f"tahoe -d {node} {words}"
    monkeypatch.setenv("_TAHOE_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
    assert tahoe().out.split() == [f"plain,{name}" for name in found]
    assert not gateway.requests
