import json
import os
import re
import stat
import subprocess
import sys
import time
from html import unescape
from pathlib import Path
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

import pytest

from allmydata.cli.aliases import AliasFile
from allmydata.cli.printing import safe
from allmydata.webapi import NodeHTTP
from tests.cli.conftest import TOKEN

LITERAL = "URI:LIT:nbswy3dp"
UNKNOWN = "x-future:abc"
HOSTILE = [
    "a\nb",
    "-rf",
    "\x1b[31mred",
    "\u202egnp.exe",
    "e\u0301",
    " ",
    "%2e%2e",
    "%2F",
    "?t=json",
    "#x",
    "a:b",
    "~",
    "\\",
    "ü" * 127,
    "👩‍🚀",
]


@pytest.fixture
def work(node, drive):
    """The capability of a directory whose alias is work."""
    cap = drive.make()
    AliasFile.of(node).add("work", cap)
    return cap


@pytest.fixture
def inside(drive, work):
    """What is in it."""
    return drive.directories[work]


@pytest.fixture
def here(tahoe, node, monkeypatch):
    """Run a command with the node that knows the alias."""
    monkeypatch.setenv("TAHOE_NODE_DIRECTORY", str(node))
    return tahoe


def readonly_view(node, drive, cap):
    AliasFile.of(node).add("look", drive.readonly(cap))


# ---- ls


def test_ls_prints_a_name_a_line_in_order(here, drive, inside):
    inside |= {"b": LITERAL, "a c": drive.make(), "B": UNKNOWN}
    done = here("ls", "work:")
    assert (done.code, done.out, done.err) == (0, "B\na c\nb\n", "")


def test_ls_of_an_empty_directory_prints_nothing(here, work):
    done = here("ls", "work:")
    assert (done.code, done.out, done.err) == (0, "", "")


@pytest.mark.parametrize("form", ["work:d", "work:/d", "work:d/", "{cap}/d", "{cap}/d/"])
def test_ls_of_a_path(here, drive, work, inside, form):
    inside["d"] = drive.make(x=LITERAL)
    assert here("ls", form.format(cap=work)).out == "x\n"


def test_ls_of_a_file_prints_its_name(here, work, inside, gateway):
    inside["f"] = LITERAL
    assert here("ls", "work:f").out == "f\n"
    assert here("ls", gateway.hold(b"x")).out == "\n"


def test_ls_of_what_is_missing(here, work):
    done = here("ls", "work:nope")
    assert (done.code, done.out) == (2, "")
    assert "No such file or directory: work:nope" in done.err


def test_ls_through_a_file(here, work, inside):
    inside["f"] = LITERAL
    assert here("ls", "work:f/x").code == 3


def test_ls_long(here, drive, work, inside, gateway, node):
    child = drive.make()
    cap = gateway.hold(bytes(12345))
    inside |= {"d": child, "long name": cap, "r": drive.readonly(child), "u": UNKNOWN}
    changed = time.mktime((2020, 11, 21, 2, 16, 0, 0, 0, -1))
    recent = time.time() - 3600
    drive.times |= {"d": changed, "long name": recent}
    when = time.strftime("%b %d %H:%M", time.localtime(recent))
    assert here("ls", "-l", "work:").out.splitlines() == [
        "drwx     - Nov 21  2020         d",
        f"-r-- 12345 {when} long name",
        "dr-x     -            -         r",
        "?rw-     ?            -         u",
    ]


def test_ls_classify(here, drive, inside):
    inside |= {"d": drive.make(), "f": LITERAL}
    assert here("ls", "-F", "work:").out == "d/\nf\n"
    assert here("ls", "-lF", "work:").out.splitlines() == ["drwx - - d/", "-r-- 5 -  f"]


def test_ls_of_capabilities(here, drive, inside):
    child = drive.make()
    inside |= {"d": child, "file": LITERAL, "u": UNKNOWN}
    done = here("ls", "--uri", "work:")
    assert done.out == f"   d {child}\nfile {LITERAL}\n   u {UNKNOWN}\n"
    readonly = drive.readonly(child)
    done = here("ls", "--uri", "--readonly-uri", "work:d", "-l")
    assert done.out == ""
    done = here("ls", "--readonly-uri", "work:")
    assert done.out == f"   d {readonly}\nfile {LITERAL}\n   u -\n"


def test_ls_as_json_is_the_answer_of_the_gateway(here, drive, work, inside):
    inside["f"] = LITERAL
    done = here("ls", "--json", "work:")
    assert done.out == json.dumps(drive.told(work), indent=1) + "\n\n"


def test_ls_of_a_read_only_view_shows_no_right_to_write(here, drive, node, work, inside):
    inside["d"] = drive.make()
    readonly_view(node, drive, work)
    assert here("ls", "-l", "look:").out.startswith("dr-x ")
    assert "URI:DIR:" not in here("ls", "--uri", "look:").out


@pytest.mark.parametrize("name", HOSTILE)
def test_names_come_back_as_they_are(here, gateway, inside, tmp_path, name):
    (tmp_path / "f").write_bytes(b"hello")
    assert here("put", tmp_path / "f", f"work:{name}").code == 0
    assert len(inside) == 1
    (kept,) = inside
    assert here("ls", "work:").data == kept.encode() + b"\n"
    assert here("get", f"work:{name}").data == b"hello"
    assert here("rm", f"work:{name}").code == 0
    assert not inside


@pytest.mark.parametrize("name", ["..", ".", "a//b", "../x", "a/../b", "a" * 256, "\udcff"])
@pytest.mark.parametrize("command", ["mkdir", "rm", "ls", "get"])
def test_names_that_can_not_be_are_refused(here, gateway, work, command, name):
    done = here(command, f"work:{name}")
    assert done.code == 3
    assert "can't be a name" in done.err
    assert not gateway.requests


def test_ls_of_an_answer_that_makes_no_sense(here, gateway, work):
    gateway.errors["GET"] = 200, "text/plain", '["dirnode", {"children": 5}]'
    done = here("ls", "work:")
    assert done.code == 1
    assert "error: the node describes this in no known way" in done.err


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [(410, "unrecoverable", 13), (503, "not-ready", 11), (500, "server-lost", 1)],
)
def test_what_the_gateway_says_decides_the_exit_code(
    here, gateway, work, status, code, exit_code
):
    gateway.refuse("GET", status, code, "the vdrive server does not answer")
    done = here("ls", "work:")
    assert done.code == exit_code
    assert "the vdrive server does not answer" in done.err


def test_ls_of_a_gateway_that_is_gone(here, node, work):
    (node / "node.url").write_text("http://127.0.0.1:1/\n")
    assert here("ls", "work:").code == 10


def test_safe_shows_what_would_move_a_terminal():
    assert safe("a\nb\x1b[2J\u202e\x9b\udcff") == r"a\nb\x1b[2J\u202e\x9b\udcff"
    assert safe("ü 👩 \\ e\u0301") == "ü 👩 \\ e\u0301"


@pytest.mark.system
def test_a_terminal_sees_escapes(node, inside):
    inside["\x1b[31m"] = LITERAL
    ours, theirs = os.openpty()
    words = [sys.executable, "-m", "allmydata.cli.main", "-d", str(node), "ls", "work:"]
    subprocess.run(words, stdout=theirs, check=True)
    os.close(theirs)
    assert os.read(ours, 100) == b"\\x1b[31m\r\n"
    os.close(ours)


@pytest.mark.system
def test_ls_and_find_load_nothing_heavy(node, work):
    script = (
        "import sys; from allmydata.cli.main import main; code = main(sys.argv[1:]);"
        "print(*sys.modules, sep='\\n', file=sys.stderr)"
    )
    for command in ("ls", "find", "mkdir", "rm"):
        words = [sys.executable, "-c", script, "-d", str(node), command, "work:x"]
        loaded = subprocess.run(words, capture_output=True, text=True).stderr.split("\n")
        heavy = {"twisted", "foolscap", "rich", "yaml", "cryptography", "allmydata.uri"}
        assert "http.client" in loaded
        assert not heavy & set(loaded)


# ---- mkdir


def test_mkdir_prints_the_capability(here, drive, work, inside):
    done = here("mkdir", "work:a/b")
    assert (done.code, done.err) == (0, "")
    cap = done.out.removesuffix("\n")
    assert drive.directories[inside["a"]] == {"b": cap}
    assert here("mkdir", "work:a/b").out == done.out


def test_mkdir_without_a_place(here, drive, node):
    assert here("mkdir").out.strip() in drive.directories
    assert not AliasFile.of(node).read()


def test_mkdir_of_several(here, inside):
    assert len(here("mkdir", "work:a", "work:b").out.split()) == 2
    assert set(inside) == {"a", "b"}


def test_mkdir_over_a_file(here, inside):
    inside["f"] = LITERAL
    done = here("mkdir", "work:f")
    assert (done.code, done.out) == (16, "")
    assert "work:f is there and is a file" in done.err
    assert here("mkdir", "work:f/x").code == 3
    assert inside == {"f": LITERAL}


def test_mkdir_in_a_read_only_directory(here, drive, node, work):
    readonly_view(node, drive, work)
    done = here("mkdir", "look:a")
    assert (done.code, done.out) == (15, "")


# ---- put, get


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_bytes(b"remember the milk")
    return path


@pytest.mark.parametrize(
    ("place", "names"),
    [
        ("work:n", ["n"]),
        ("work:a/n", ["a", "n"]),
        ("work:", ["notes.txt"]),
        ("work:a/", ["a", "notes.txt"]),
        ("{cap}/n", ["n"]),
        ("{cap}", ["notes.txt"]),
    ],
)
def test_put_at_a_place(here, drive, work, source, place, names):
    done = here("put", source, place.format(cap=work))
    assert (done.code, done.err) == (0, "201 Created\n")
    assert done.out == drive.find(["uri", work, *names]) + "\n"


def test_put_over_a_file_replaces_it(here, inside, source):
    inside["n"] = LITERAL
    assert here("put", source, "work:n").err == "200 OK\n"
    assert inside["n"] != LITERAL
    assert here("-q", "put", source, "work:n").err == ""


def test_put_without_clobbering(here, inside, source):
    inside["n"] = LITERAL
    assert here("put", "-n", source, "work:n").code == 16
    assert inside["n"] == LITERAL
    assert here("put", "-n", source).code == 0


def test_put_of_standard_input(here, inside):
    assert here("put", "-", "work:n", stdin=b"abc").code == 0
    assert here("put", "-", "work:", stdin=b"abc").code == 3
    assert list(inside) == ["n"]


def test_put_over_a_directory_is_refused(here, drive, inside, source):
    inside["d"] = drive.make()
    done = here("put", source, "work:d")
    assert done.code == 16
    assert "work:d is a directory" in done.err
    assert inside["d"] in drive.directories


def test_put_into_a_read_only_directory(here, drive, node, work, source):
    readonly_view(node, drive, work)
    assert here("put", source, "look:n").code == 15


def test_put_names_a_file_that_can_not_be_carried(here, work, tmp_path):
    path = tmp_path / os.fsdecode(b"bad\xff")
    path.write_bytes(b"x")
    done = here("put", path, "work:")
    assert done.code == 3
    assert "can't be a name" in done.err


def test_put_at_a_place_as_json(here, inside, source):
    said = json.loads(here("put", "--json", source, "work:n").out)
    assert said["created"] is True
    assert said["cap"] == inside["n"]


def test_get_of_a_place(here, drive, gateway, inside, tmp_path):
    inside["d"] = drive.make(f=gateway.hold(b"milk"))
    assert here("get", "work:d/f").data == b"milk"
    assert here("get", "work:d/f", tmp_path / "f").code == 0
    assert (tmp_path / "f").read_bytes() == b"milk"


@pytest.mark.parametrize(
    ("place", "code", "said"),
    [
        ("work:nope", 2, "No such file or directory: work:nope"),
        ("work:", 3, "this is a directory"),
        ("work:d", 3, "this is a directory"),
    ],
)
def test_get_refuses(here, drive, inside, tmp_path, place, code, said):
    inside["d"] = drive.make()
    done = here("get", place, tmp_path / "f")
    assert done.code == code
    assert said in done.err
    assert not (tmp_path / "f").exists()


# ---- mv, ln


@pytest.mark.parametrize(
    ("destination", "names"),
    [
        ("work:new", ["new"]),
        ("work:d", ["d", "f"]),
        ("work:d/", ["d", "f"]),
        ("work:d/new", ["d", "new"]),
        ("work:x/y/new", ["x", "y", "new"]),
        ("work:x/", ["x", "f"]),
        ("{cap}/d", ["d", "f"]),
        ("other:", ["other", "f"]),
    ],
)
def test_mv(here, node, drive, work, inside, destination, names):
    inside |= {"f": LITERAL, "d": drive.make(), "other": drive.make()}
    AliasFile.of(node).add("other", inside["other"])
    done = here("mv", "work:f", destination.format(cap=work))
    assert (done.code, done.out, done.err) == (0, "OK\n", "")
    assert drive.find(["uri", work, *names]) == LITERAL
    assert "f" not in inside


def test_mv_of_a_directory(here, drive, work, inside):
    inside |= {"a": drive.make(x=LITERAL), "b": drive.make()}
    assert here("mv", "work:a", "work:b").code == 0
    assert drive.find(["uri", work, "b", "a", "x"]) == LITERAL


def test_mv_replaces_a_file_but_no_directory(here, drive, work, inside):
    inside |= {"f": LITERAL, "g": UNKNOWN, "d": drive.make(g=drive.make())}
    assert here("mv", "-n", "work:f", "work:g").code == 16
    assert here("mv", "work:f", "work:g").code == 0
    assert inside["g"] == LITERAL
    assert here("mv", "work:g", "work:d").code == 16
    assert inside["g"] == LITERAL


@pytest.mark.parametrize(
    ("source", "destination", "code", "said"),
    [
        ("work:nope", "work:x", 2, "No such file or directory: work:nope"),
        ("work:", "work:x", 3, "no name in a directory"),
        ("work:a", "work:a/b/c", 3, "into itself"),
        ("work:a", "work:a/b", 3, "into itself"),
        ("work:a", "work:a/new/new", 3, "into itself"),
        ("work:a", "work:a", 3, "into itself"),
        ("work:a", "same:new", 3, "into itself"),
        ("work:f", "work:f", 3, "the same place"),
        ("work:f", "work:/", 3, "the same place"),
        ("work:f", "work:f/x", 3, ""),
        ("look:f", "work:new", 15, ""),
        ("work:f", "look:new", 15, ""),
    ],
)
def test_mv_refuses_and_changes_nothing(
    here, node, drive, work, inside, source, destination, code, said
):
    inside |= {"f": LITERAL, "a": drive.make(b=drive.make())}
    readonly_view(node, drive, work)
    AliasFile.of(node).add("same", inside["a"])
    before = repr(drive.directories)
    done = here("mv", source, destination)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert repr(drive.directories) == before


def test_ln_gives_another_name(here, drive, gateway, work, inside):
    inside |= {"f": LITERAL, "d": drive.make()}
    assert here("ln", "work:f", "work:x/g").out == "OK\n"
    assert here("ln", "work:f", "work:d").code == 0
    cap = gateway.hold(b"x")
    assert here("ln", cap, "work:h").code == 0
    assert inside["f"] == drive.find(["uri", work, "x", "g"]) == LITERAL
    assert drive.find(["uri", work, "d", "f"]) == LITERAL
    assert inside["h"] == cap


def test_ln_of_a_directory_may_make_a_cycle(here, work, inside):
    assert here("ln", "work:", "work:again").code == 0
    assert inside["again"] == work


def test_ln_to_read_only(here, drive, inside):
    inside["d"] = drive.make()
    assert here("ln", "--readonly", "work:d", "work:view").code == 0
    assert inside["view"] == drive.readonly(inside["d"])


def test_ln_refuses(here, inside, drive):
    inside |= {"f": LITERAL, "g": UNKNOWN}
    assert here("ln", "work:nope", "work:x").code == 2
    assert here("ln", LITERAL, "work:").code == 3
    assert here("ln", "-n", "work:f", "work:g").code == 16
    assert inside == {"f": LITERAL, "g": UNKNOWN}


# ---- rm


@pytest.mark.parametrize("command", ["rm", "unlink"])
def test_rm(here, drive, inside, command):
    inside |= {"f": LITERAL, "d": drive.make(x=LITERAL), "kept": LITERAL}
    done = here(command, "work:f")
    assert (done.code, done.out, done.err) == (0, "200 OK\n", "")
    assert here(command, "-r", "work:d").code == 0
    assert list(inside) == ["kept"]


def test_rm_of_several_goes_on_after_an_error(here, inside):
    inside |= {"a": LITERAL, "b": LITERAL}
    done = here("rm", "work:a", "work:nope", "work:", "work:b")
    assert (done.code, done.out) == (2, "200 OK\n200 OK\n")
    assert done.err.count("error: ") == 2
    assert not inside


def test_rm_of_what_is_missing(here, work):
    assert here("rm", "work:nope").code == 2
    assert here("rm", "-f", "work:nope").code == 0
    assert here("rm", "work:").code == 3


def test_rm_in_a_read_only_directory(here, drive, node, work, inside):
    inside["f"] = LITERAL
    readonly_view(node, drive, work)
    assert here("rm", "look:f").code == 15
    assert inside


# ---- manifest, find, stats


@pytest.fixture
def tree(drive, gateway, inside):
    inside |= {"f": gateway.hold(bytes(5000)), "d": drive.make(l=LITERAL, u=UNKNOWN)}
    drive.directories[inside["d"]]["cycle"] = inside["d"]
    return inside


def test_manifest(here, work, tree):
    done = here("manifest", "work:")
    assert done.out.splitlines() == [
        f"{work} ",
        f"{tree['d']} d",
        f"{LITERAL} d/l",
        f"{UNKNOWN} d/u",
        f"{tree['f']} f",
    ]


@pytest.mark.parametrize("option", ["--storage-index", "--verify-cap", "--repair-cap"])
def test_manifest_of_other_words_leaves_out_what_has_none(here, tree, option):
    lines = here("manifest", option, "work:").out.splitlines()
    assert len(lines) == 4
    assert all(
        line.startswith("s" if option == "--storage-index" else "V") for line in lines
    )


@pytest.mark.parametrize("option", ["--raw", "--json"])
def test_manifest_raw_ends_with_statistics(here, tree, option):
    *lines, last = map(json.loads, here("manifest", option, "work:").out.splitlines())
    assert [line["path"] for line in lines] == [[], ["d"], ["d", "l"], ["d", "u"], ["f"]]
    assert last["type"] == "stats"


def manifest_that_ends(gateway, *lines):
    text = "".join(json.dumps(x) + "\n" if isinstance(x, dict) else x for x in lines)
    gateway.errors["POST"] = 200, "text/plain", text


@pytest.mark.parametrize("command", ["manifest", "find", "stats"])
@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("", "the list ended before it was whole"),
        ("ERROR: can't read d\nTraceback\n  …\n", "error: can't read d"),
        ("{", "lists this in no known way"),
        ("[]", "lists this in no known way"),
    ],
)
def test_a_list_that_is_not_whole_is_an_error(here, gateway, work, command, end, said):
    first = {"type": "directory", "path": [], "cap": work}
    manifest_that_ends(gateway, first, end)
    done = here(command, "work:")
    assert done.code == 1
    assert said in done.err


@pytest.mark.system
def test_manifest_streams(node, gateway, work):
    """The first line is there while the gateway still looks for the second."""
    answer = gateway.directory

    def slowly(request):
        request.send_response(200)
        request.end_headers()
        line = json.dumps({"type": "directory", "path": [], "cap": work})
        request.wfile.write(line.encode() + b"\n")
        request.wfile.flush()
        seen.append(child.stdout.readline())
        gateway.errors["POST"] = 200, "text/plain", ""
        request.wfile.write(b'{"type": "stats", "stats": {}}\n')
        request.close_connection = True

    seen = []
    gateway.directory = slowly
    words = [
        sys.executable,
        "-m",
        "allmydata.cli.main",
        "-d",
        str(node),
        "manifest",
        "work:",
    ]
    child = subprocess.Popen(words, stdout=subprocess.PIPE)
    assert child.wait(60) == 0
    child.stdout.close()
    assert seen == [f"{work} \n".encode()]
    gateway.directory = answer


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([], ["work:", "work:d", "work:d/l", "work:d/u", "work:f"]),
        (["--type", "f"], ["work:d/l", "work:f"]),
        (["--type", "directory"], ["work:", "work:d"]),
        (["--type", "u"], ["work:d/u"]),
        (["--name", "[lu]"], ["work:d/l", "work:d/u"]),
        (["--name", "*"], ["work:d", "work:d/l", "work:d/u", "work:f"]),
        (["--name", "L"], []),
        (["--min-size", "5k"], ["work:f"]),
        (["--min-size", "5001"], []),
        (["--max-size", "5"], ["work:d/l"]),
        (["--min-size", "5", "--max-size", "5000"], ["work:d/l", "work:f"]),
        (["--type", "f", "--name", "f"], ["work:f"]),
    ],
)
def test_find(here, tree, words, found):
    done = here("find", "work:", *words)
    assert (done.code, done.out.splitlines()) == (0, found)


def test_find_prints_what_other_commands_take(here, drive, work, tree):
    assert here("find", "work:d/", "--type", "f").out == "work:d/l\n"
    assert here("find", "work:d", "--name", "d").out == "work:d\n"
    assert here("find", work, "--name", "l").out == f"{work}/d/l\n"
    drive.directories[drive.roots["private"]]["x"] = LITERAL
    assert here("find").out == "\nx\n"


def test_find_for_xargs(here, inside):
    inside["a\nb"] = LITERAL
    assert here("find", "-0", "work:", "--type", "f").data == b"work:a\nb\0"


def test_find_as_json(here, tree):
    lines = here("find", "--json", "work:", "--type", "f").out.splitlines()
    assert json.loads(lines[0]) == {
        "path": ["d", "l"],
        "type": "file",
        "cap": LITERAL,
        "size": 5,
    }


def test_find_refuses_a_size_that_is_none(here, gateway, work):
    assert here("find", "work:", "--min-size", "much").code == 3
    assert not gateway.requests


@pytest.mark.parametrize("command", ["manifest", "find", "stats"])
def test_a_walk_of_what_is_missing(here, work, command):
    assert here(command, "work:nope").code == 2


def test_stats(here, tree):
    assert here("stats", "work:").out.splitlines() == [
        "         api-version: 1",
        "         count-files: 2",
        "size-immutable-files: 12345  (12.3 kB)",
        "sizes of files:",
        "            11 -           31 bytes: 2",
    ]


@pytest.mark.parametrize("option", ["--raw", "--json"])
def test_stats_raw(here, tree, option):
    said = json.loads(here("stats", option, "work:").out)
    assert said["finished"] is True
    assert said["count-files"] == 2


# ---- webopen


@pytest.fixture
def browser(tmp_path, monkeypatch):
    """A browser that notes the addresses it was given; returned is where the last leads."""
    seen = tmp_path / "seen"
    script = tmp_path / "browser"
    script.write_text(f'#!/bin/sh\necho "$1" >> {seen}\n')
    script.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(script))

    def led_to():
        if not seen.exists():
            return ""
        address = seen.read_text().splitlines()[-1]
        if not address.startswith("file://"):
            return address
        page = Path(url2pathname(urlsplit(address).path))
        assert stat.S_IMODE(page.stat().st_mode) == 0o600
        assert "code" not in address and "URI" not in address
        return unescape(re.search(r'0; url=(.+?)"', page.read_text())[1])

    return led_to


def login(gateway, place):
    return f"{gateway.url}_/login?code=once&next={quote(place, safe='')}"


def webopen(node, *words):
    words = [sys.executable, "-m", "allmydata.cli.main", "-d", str(node), "webopen", *words]
    return subprocess.run(words, capture_output=True, text=True)


@pytest.mark.system
def test_webopen_shows_the_private_root_without_a_capability(node, gateway, browser):
    done = webopen(node, "tahoe:a b")
    assert (done.returncode, done.stdout) == (0, "")
    assert browser() == login(gateway, "/vdrive/private/a%20b")
    [asked] = [one for one in gateway.requests if "/_/code" in one.path]
    assert asked.headers["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.system
def test_webopen_gives_no_capability_away_unasked(node, gateway, work, browser):
    done = webopen(node, "work:a")
    assert done.returncode == 0
    assert done.stdout.startswith(login(gateway, "/uri/URI%3ADIR%3A"))
    assert "--yes" in done.stderr
    assert browser() == ""
    assert webopen(node, "--yes", "work:a").stdout == ""
    assert browser() == done.stdout.strip()


@pytest.mark.system
def test_webopen_of_the_node_itself(node, gateway, browser):
    assert webopen(node, "--print").stdout == login(gateway, "/") + "\n"
    assert webopen(node).stdout == ""
    assert browser() == login(gateway, "/")


def test_webopen_prints_the_address_where_there_is_no_browser(here, gateway, monkeypatch):
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert here("webopen", "tahoe:").out == login(gateway, "/vdrive/private") + "\n"


@pytest.mark.system
def test_webopen_of_a_gateway_that_signs_nobody_in(node, gateway, browser):
    gateway.refuse("POST", 404, "not-found", "there is nothing here")
    assert webopen(node).stdout == ""
    assert browser() == gateway.url
    (node / "private" / "api_auth_token").unlink()
    gateway.errors.clear()
    assert webopen(node, "--print").stdout == gateway.url + "\n"


# ---- below it


def test_lines_are_whole_however_they_come(gateway, monkeypatch):
    monkeypatch.setattr("allmydata.webapi.CHUNK_SIZE", 3)
    gateway.errors["POST"] = 200, "text/plain", "one\n\ntwenty\nlast"
    node = NodeHTTP(gateway.url)
    assert list(node.lines("POST", "/x")) == [b"one", b"", b"twenty", b"last"]
