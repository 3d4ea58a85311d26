import json
import os
import unicodedata

import pytest

from tests.support.copying import (
    grid_tree,
    hold_tree,
    local_tree,
    teach,
    write_tree,
)

BIG = bytes(range(256)) * 2000
TREE = {
    "readme": b"read me, it is more than fifty-five bytes of text in a file" * 3,
    "empty": b"",
    "sub": {"a": b"a" * 100, "deep": {"big": BIG}, "nothing": {}},
    "odd ?%41#\n\u202e name": b"odd" * 30,
}


@pytest.fixture
def taught(gateway, node):
    return teach(gateway, node)


@pytest.fixture
def work(taught, drive, node):
    """The directory that work: stands for."""
    cap = drive.make()
    (node / "private" / "aliases").write_text(f"work: {cap}\n")
    return cap


@pytest.fixture
def run(tahoe, node, work):
    return lambda *words: tahoe("-d", node, *words)


@pytest.fixture
def tree(tmp_path):
    write_tree(tmp_path / "tree", TREE)
    return tmp_path / "tree"


# ---- single files


def test_a_file_goes_up_and_comes_down(run, drive, work, tmp_path):
    (tmp_path / "f").write_bytes(BIG)
    done = run("cp", tmp_path / "f", "work:")
    assert (done.code, done.out, done.err) == (0, "Success: file copied\n", "")
    assert grid_tree(drive, work) == {"f": BIG}
    assert run("cp", "work:f", tmp_path / "back").code == 0
    assert (tmp_path / "back").read_bytes() == BIG


def test_missing_directories_are_made_on_both_sides(run, drive, work, tmp_path):
    (tmp_path / "f").write_bytes(b"x" * 99)
    assert run("cp", tmp_path / "f", "work:a/b/c").code == 0
    assert grid_tree(drive, work) == {"a": {"b": {"c": b"x" * 99}}}
    assert run("cp", "work:a/b/c", tmp_path / "p/q/r").code == 0
    assert (tmp_path / "p/q/r").read_bytes() == b"x" * 99


def test_a_file_replaces_one_and_keeps_its_mode(run, drive, work, tmp_path):
    drive.children(work)["f"] = drive.gateway.hold(BIG)
    (tmp_path / "f").write_bytes(b"old")
    (tmp_path / "f").chmod(0o640)
    assert run("cp", "work:f", tmp_path / "f").code == 0
    assert (tmp_path / "f").read_bytes() == BIG
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o640
    assert sorted(os.listdir(tmp_path)) == ["f", "node"]


def test_several_files_go_into_a_directory_that_is_made(run, drive, work, tmp_path):
    for name in "ab":
        (tmp_path / name).write_bytes(name.encode() * 80)
    done = run("cp", tmp_path / "a", tmp_path / "b", "work:new")
    assert (done.code, done.out) == (0, "Success: files copied\n")
    assert grid_tree(drive, work) == {"new": {"a": b"a" * 80, "b": b"b" * 80}}


def test_a_file_is_linked_within_the_grid_not_sent(run, taught, drive, work):
    drive.children(work)["f"] = taught.hold(BIG)
    taught.stored.clear()
    assert run("cp", "work:f", "work:d/g").code == 0
    assert grid_tree(drive, work) == {"f": BIG, "d": {"g": BIG}}
    assert taught.stored == []


def test_a_bare_capability_is_copied_to_a_name(run, taught, tmp_path):
    assert run("cp", taught.hold(BIG), tmp_path / "f").code == 0
    assert (tmp_path / "f").read_bytes() == BIG


def test_a_link_that_the_user_names_is_followed(run, drive, work, tmp_path):
    drive.children(work)["f"] = drive.gateway.hold(BIG)
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    assert run("cp", "work:f", tmp_path / "link").code == 0
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == BIG


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (["work:nope", "{tmp}/x"], 2, "No such file or directory 'work:nope'"),
        (["{tmp}/nope", "work:"], 2, "No such file or directory '{tmp}/nope'"),
        (["{tmp}/tree", "work:"], 3, "is a directory"),
        (["work:", "{tmp}/x"], 3, "work: is a directory"),
        (["nope:x", "{tmp}/x"], 2, "there is no alias 'nope'"),
        (["{cap}", "work:"], 3, "has no name that it could have"),
        (["-r", "{tmp}/tree", "work:file"], 16, "work:file is a file"),
        (["{tmp}/tree/readme", "work:file/x"], 3, "a file has no children"),
        (["{tmp}/tree/readme", "work:file/"], 16, "work:file/ is a file"),
        (["-r", "{tmp}/tree", "{tmp}/tree/sub"], 3, "is inside"),
        (["-r", "work:dir", "work:dir/x"], 3, "is inside"),
        (["-r", "work:", "work:dir"], 3, "is inside"),
        (
            ["{tmp}/tree/readme", "{tmp}/tree/sub/../readme", "work:"],
            3,
            "would both become",
        ),
        (["work:file", "/dev/null"], 3, "no plain file"),
    ],
)
def test_what_makes_no_copy_is_refused(run, drive, work, tree, words, code, why):
    cap = drive.gateway.hold(BIG)
    drive.children(work)["file"] = cap
    drive.children(work)["dir"] = drive.make()
    before = grid_tree(drive, work)
    words = [word.format(tmp=tree.parent, cap=cap) for word in words]
    done = run("cp", *words)
    assert (done.code, done.out) == (code, "")
    assert why.format(tmp=tree.parent) in done.err
    assert "URI:CHK:" not in done.err.replace("URI:CHK:…", "")
    assert grid_tree(drive, work) == before


def test_the_error_of_a_single_file_keeps_its_code(run, gateway, tmp_path):
    (tmp_path / "f").write_bytes(BIG)
    gateway.refuse("PUT", 503, "not-enough-servers", "only 3 of 7 servers answer")
    done = run("cp", tmp_path / "f", "work:")
    assert done.code == 12
    assert done.err.count("only 3 of 7") == 1


# ---- trees


def test_a_tree_goes_up_under_its_name_and_comes_down(run, drive, work, tree, tmp_path):
    done = run("cp", "-r", tree, "work:")
    assert (done.code, done.out, done.err) == (0, "Success: files copied\n", "")
    assert grid_tree(drive, work) == {"tree": TREE}
    assert run("cp", "-r", "work:tree", tmp_path / "out").code == 0
    assert local_tree(tmp_path / "out") == {"tree": TREE}


@pytest.mark.parametrize("end", ["/", "/."])
def test_a_slash_at_the_end_means_the_contents(run, drive, work, tree, end, tmp_path):
    assert run("cp", "-r", f"{tree}{end}", "work:new").code == 0
    assert grid_tree(drive, work) == {"new": TREE}
    assert run("cp", "-r", "work:new/", tmp_path / "out").code == 0
    assert local_tree(tmp_path / "out") == TREE


def test_the_root_of_an_alias_means_the_contents(run, drive, work, tree, tmp_path):
    run("cp", "-r", f"{tree}/", "work:")
    assert run("cp", "-r", "work:", tmp_path / "out").code == 0
    assert local_tree(tmp_path / "out") == TREE


def test_a_tree_within_the_grid_gets_directories_of_its_own(run, taught, drive, work):
    drive.children(work)["a"] = hold_tree(drive, TREE)
    taught.stored.clear()
    assert run("cp", "-r", "work:a/", "work:b").code == 0
    children = drive.children(work)
    assert grid_tree(drive, children["b"]) == TREE
    assert children["b"] != children["a"]
    assert drive.children(children["b"])["sub"] != drive.children(children["a"])["sub"]
    assert taught.stored == []


def test_an_unknown_capability_is_linked_and_not_fetched(run, drive, work, tmp_path):
    drive.children(work)["a"] = drive.make(x="x-future:abc")
    assert run("cp", "-r", "work:a/", "work:b").code == 0
    assert drive.children(drive.children(work)["b"]) == {"x": "x-future:abc"}
    done = run("cp", "-r", "work:a", tmp_path)
    assert done.code == 1
    assert "work:a/x is of a kind" in done.err


def test_a_second_copy_sends_and_fetches_nothing(run, taught, tree, tmp_path):
    run("cp", "-r", tree, "work:")
    run("cp", "-r", "work:tree", tmp_path / "out")
    taught.stored.clear()
    taught.batches.clear()
    said = json.loads(run("cp", "-r", "--json", tree, "work:").out)
    assert (said["files_copied"], said["files_already_there"]) == (0, 5)
    assert taught.stored == taught.batches == []
    taught.asked.clear()
    said = json.loads(run("cp", "-r", "--json", "work:tree", tmp_path / "out").out)
    assert (said["files_copied"], said["files_already_there"]) == (0, 5)
    assert all("?t=" in path for method, path in taught.asked)


def test_a_second_copy_sends_what_has_changed(run, drive, work, taught, tree):
    run("cp", "-r", tree, "work:")
    taught.stored.clear()
    (tree / "sub" / "a").write_bytes(b"b" * 100)
    (tree / "new").write_bytes(b"n" * 100)
    (tree / "empty").unlink()
    assert run("cp", "-r", tree, "work:").code == 0
    assert sorted(taught.stored) == [b"b" * 100, b"n" * 100]
    changed = grid_tree(drive, work)["tree"]
    assert changed["sub"]["a"] == b"b" * 100
    assert changed["empty"] == b""  # nothing is taken away


def test_without_the_secret_everything_is_sent_again(run, node, taught, tree):
    run("cp", "-r", tree, "work:")
    (node / "private" / "convergence").unlink()
    taught.stored.clear()
    assert run("cp", "-r", tree, "work:").code == 0
    assert BIG in taught.stored


def test_names_of_one_directory_are_set_in_batches(run, taught, tmp_path):
    write_tree(tmp_path / "many", {f"{i:03}": b"%d" % i * 60 for i in range(200)})
    assert run("cp", "-r", tmp_path / "many", "work:").code == 0
    assert len(taught.batches) < 10
    assert sorted(name for batch in taught.batches for name in batch) == [
        f"{i:03}" for i in range(200)
    ]


def test_links_are_followed(run, drive, work, tree):
    (tree / "to file").symlink_to("readme")
    (tree / "sub" / "to dir").symlink_to("../sub/deep")
    assert run("cp", "-r", tree, "work:").code == 0
    assert grid_tree(drive, work)["tree"] == local_tree(tree)


def test_a_cycle_of_links_ends(run, drive, work, tree):
    (tree / "sub" / "up").symlink_to("..")
    done = run("cp", "-r", tree, "work:")
    assert done.code == 1
    assert "sub/up is inside itself" in done.err
    copied = grid_tree(drive, work)["tree"]
    assert copied == TREE


def test_a_cycle_on_the_grid_ends(run, drive, work, tmp_path):
    a = hold_tree(drive, {"f": b"f" * 90, "b": {}})
    drive.children(drive.children(a)["b"])["a"] = a
    drive.children(work)["a"] = a
    done = run("cp", "-r", "work:a", tmp_path)
    assert done.code == 1
    assert "work:a/b/a is inside itself" in done.err
    assert local_tree(tmp_path / "a")["f"] == b"f" * 90


def test_a_copy_that_would_feed_itself_ends(run, drive, work):
    drive.children(work)["b"] = drive.make()
    drive.children(work)["a"] = drive.make(x=drive.children(work)["b"])
    done = run("cp", "-r", "work:a", "work:b")
    assert done.code == 1
    assert "what is copied to" in done.err
    assert grid_tree(drive, drive.children(work)["b"]) == {"a": {}}


# ---- what can't be copied


def test_what_cannot_be_copied_is_named_and_the_rest_goes_on(run, drive, work, tree):
    (tree / "dangling").symlink_to("nowhere")
    os.mkfifo(tree / "pipe")
    with open(os.fsencode(tree) + b"/\xff\xfe", "wb"):
        pass
    done = run("cp", "-r", tree, "work:")
    assert (done.code, done.out) == (1, "")
    assert "dangling is a link that leads nowhere" in done.err
    assert "pipe is a FIFO" in done.err
    assert "\\udcff\\udcfe" in done.err
    assert "3 could not be copied; 5 files are there" in done.err
    assert grid_tree(drive, work)["tree"] == TREE


def test_a_bad_name_among_several_is_named_and_the_others_go(run, drive, work, tmp_path):
    (tmp_path / "good").write_bytes(b"g" * 99)
    bad = os.fsdecode(os.fsencode(tmp_path) + b"/\xff")
    with open(bad, "wb"):
        pass
    assert run("cp", bad, "work:").code == 3
    done = run("cp", bad, tmp_path / "good", "work:")
    assert done.code == 1
    assert "\\udcff" in done.err
    assert grid_tree(drive, work) == {"good": b"g" * 99}


def test_problems_are_told_in_json(run, tree):
    (tree / "dangling").symlink_to("nowhere")
    done = run("cp", "-r", "--json", tree, "work:")
    said = json.loads(done.out)
    assert (done.code, done.err) == (1, "")
    assert said["files_copied"] == 5
    assert said["directories_made"] == 4
    (error,) = said["errors"]
    assert error["path"] == f"{tree}/dangling"


def test_a_name_is_normalised_and_twins_are_named(run, drive, work, tmp_path):
    composed, spelled = "caf\u00e9", unicodedata.normalize("NFD", "caf\u00e9")
    write_tree(tmp_path / "t", {composed: b"one" * 30, spelled: b"two" * 30})
    write_tree(tmp_path / "u", {spelled: b"two" * 30})
    done = run("cp", "-r", f"{tmp_path}/t/", "work:t")
    assert done.code == 1
    assert "'caf\\xe9' and 'cafe\\u0301'" in done.err
    assert run("cp", "-r", f"{tmp_path}/u/", "work:u").code == 0
    copied = grid_tree(drive, work)
    assert copied == {"t": {composed: b"one" * 30}, "u": {composed: b"two" * 30}}


def test_kinds_that_clash_are_named(run, drive, work, tree, tmp_path):
    drive.children(work)["tree"] = hold_tree(drive, {"sub": b"s" * 99, "empty": {}})
    done = run("cp", "-r", tree, "work:")
    assert done.code == 1
    assert "work:tree/sub is a file, where a directory is needed" in done.err
    assert "work:tree/empty is a directory, where a file is to be" in done.err
    assert grid_tree(drive, work)["tree"]["readme"] == TREE["readme"]


def test_a_read_only_target_is_an_error_of_each_name(run, drive, work, tree):
    drive.children(work)["ro"] = drive.readonly(drive.make())
    done = run("cp", "-r", f"{tree}/", "work:ro")
    assert done.code == 1
    assert "NotWriteableError" in done.err


HOSTILE = [
    "..",
    ".",
    "",
    "a/b",
    "../../escaped",
    "/etc/escaped",
    "nul\0",
    "\ud800",
    "x" * 256,
]


def test_a_hostile_grid_writes_nothing_outside_the_target(run, drive, work, tmp_path):
    cap = drive.gateway.hold(b"evil" * 30)
    drive.children(work)["t"] = drive.make(
        good=cap,
        sub=drive.make(**{"..": cap, "x" * 256: cap}),
        **dict.fromkeys(HOSTILE, cap),
    )
    (tmp_path / "in").mkdir()
    done = run("cp", "-r", "work:t", tmp_path / "in")
    assert done.code == 1
    assert "11 could not be copied; 1 files are there" in done.err
    assert local_tree(tmp_path / "in") == {"t": {"good": b"evil" * 30, "sub": {}}}
    assert sorted(os.listdir(tmp_path)) == ["in", "node"]


def test_links_in_the_target_lead_nowhere(run, drive, work, tmp_path):
    drive.children(work)["t"] = hold_tree(drive, {"d": {"f": b"f" * 99}, "g": b"g" * 99})
    write_tree(tmp_path / "outside", {"g": b"mine"})
    write_tree(tmp_path / "out", {"t": {}})
    (tmp_path / "out/t/d").symlink_to(tmp_path / "outside")
    (tmp_path / "out/t/g").symlink_to(tmp_path / "outside/g")
    done = run("cp", "-r", "work:t", tmp_path / "out")
    assert done.code == 1
    assert "t/d is a link, where a directory is needed" in done.err
    assert local_tree(tmp_path / "outside") == {"g": b"mine"}
    assert (tmp_path / "out/t/g").read_bytes() == b"g" * 99


def test_a_transfer_that_fails_leaves_no_part_of_a_file(
    run, gateway, drive, work, tmp_path
):
    drive.children(work)["f"] = gateway.hold(BIG)
    gateway.cuts[:] = [1000] * 10
    gateway.resumable = False
    (tmp_path / "out").mkdir()
    done = run("cp", "work:f", tmp_path / "out")
    assert done.code == 1
    assert os.listdir(tmp_path / "out") == []


def test_when_no_server_takes_files_the_copy_ends(run, gateway, taught, tmp_path):
    write_tree(tmp_path / "many", {f"{i:04}": b"%d" % i * 60 for i in range(300)})
    gateway.refuse("PUT", 503, "not-enough-servers", "only 3 of 7 servers answer")
    done = run("cp", "-r", tmp_path / "many", "work:")
    assert done.code == 12
    assert sum(method == "PUT" for method, path in taught.asked) < 40
