"""``tahoe check`` and ``deep-check``: what they print, and going on where one ended."""

import json

import pytest

FILE = "URI:CHK:" + "a" * 26 + ":" + "a" * 52 + ":2:5:2000"
STATS = {"type": "stats", "stats": {"api-version": 1}}


def results(num_good=5, corrupt=()):
    return {
        "count-shares-good": num_good,
        "count-shares-needed": 2,
        "count-shares-expected": 5,
        "count-wrong-shares": 0,
        "count-spare-servers": num_good - 2,
        "list-corrupt-shares": list(corrupt),
        "healthy": num_good == 5,
        "recoverable": num_good >= 2,
    }


def checked(num_good=5, corrupt=()):
    word = "Healthy" if num_good == 5 else f"Not Healthy: {num_good} shares (enc 2-of-5)"
    told = results(num_good, corrupt)
    return {"storage-index": "abcd", "summary": word, "results": told}


def repaired(before, after, **words):
    is_needed = before["results"] != results()
    return {
        "storage-index": "abcd",
        "repair-attempted": is_needed,
        "repair-successful": is_needed and after["results"]["healthy"],
        "pre-repair-results": before,
        "post-repair-results": after,
        **words,
    }


LITERAL = {"storage-index": "", "results": {"healthy": True}}


@pytest.fixture
def answer(gateway):
    """Return a function that says what the gateway answers to checks of anything."""
    asked = []

    def say(told):
        def make(cap, words):
            asked.append((cap, words))
            return json.dumps(told)

        gateway.answers["check"] = make
        return asked

    return say


def test_check_prints_what_other_tools_print(answer, node, tahoe):
    asked = answer(checked())
    done = tahoe("-d", node, "check", FILE)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "Summary: Healthy",
        " storage index: abcd",
        " good-shares: 5 (encoding is 2-of-5)",
        " wrong-shares: 0",
        " servers that may still die, whichever: 3",
    ]
    assert asked == [(FILE, {"t": "check", "output": "JSON"})]


def test_check_passes_on_what_is_wished(answer, node, tahoe):
    asked = answer(checked())
    done = tahoe("-d", node, "check", "--raw", "--verify", "--repair", "--add-lease", FILE)
    wishes = {"verify": "true", "repair": "true", "add-lease": "true"}
    assert asked[0][1] == {"t": "check", "output": "JSON", **wishes}
    assert json.loads(done.out) == checked()


@pytest.mark.parametrize(
    ("told", "lines"),
    [
        (LITERAL, ["Summary: Healthy (LIT)", " storage index: "]),
        (
            checked(1, [["server", "abcd", 3]]),
            [
                "Summary: Not Healthy: 1 shares (enc 2-of-5)",
                " storage index: abcd",
                " good-shares: 1 (encoding is 2-of-5)",
                " wrong-shares: 0",
                " corrupt shares:",
                "  server server, SI abcd, shnum 3",
            ],
        ),
        (
            repaired(checked(3), checked()),
            [
                "Summary: not healthy",
                " storage index: abcd",
                " good-shares: 3 (encoding is 2-of-5)",
                " wrong-shares: 0",
                " servers that may still die, whichever: 1",
                " repair successful",
                " good-shares now: 5",
            ],
        ),
        (
            repaired(checked(2), checked(2), **{"repair-error": "no room"}),
            [
                "Summary: not healthy",
                " storage index: abcd",
                " good-shares: 2 (encoding is 2-of-5)",
                " wrong-shares: 0",
                " servers that may still die, whichever: 0",
                " repair failed",
                "  no room",
                " good-shares now: 2",
            ],
        ),
    ],
)
def test_check_tells_of_all_there_can_be(told, lines, answer, node, tahoe):
    answer(told)
    done = tahoe("-d", node, "check", FILE)
    assert done.code == 0
    spare = " servers that may still die, whichever: -1"
    assert [line for line in done.out.splitlines() if line != spare] == lines


def test_check_goes_on_after_an_error_and_leaves_with_its_code(answer, drive, node, tahoe):
    answer(checked())
    drive.roots["x"] = drive.make()
    done = tahoe("-d", node, "check", "nope:x", FILE)
    assert done.code == 2 and "Summary: Healthy" in done.out and "no alias" in done.err
    assert tahoe("-d", node, "check", "nope:x").code == 2


# ---- trees -----------------------------------------------------------------------------

TREE = ("", "a", "lit", "b/f", "b/g", "c/h")


class Tree:
    """Answers stream-deep-check of a tree; ``end`` cuts it after so many lines."""

    def __init__(self):
        self.asked = []
        self.end = None
        self.ill = {"b/g"}
        self.error = ""

    def __call__(self, cap, words):
        self.asked.append(words)
        after = tuple(words.get("after", "").split("/")) if words.get("after") else ()
        lines = [self.line(p, words) for p in TREE if self.is_wanted(p, after)]
        lines += [self.error] if self.error else []
        lines = [*lines, json.dumps(STATS)][: self.end]
        return "".join(f"{line}\n" for line in lines)

    def is_wanted(self, path, after):
        return (path or not after) and tuple(path.split("/")[:-1]) >= after

    def line(self, path, words):
        member, told = "check-results", checked(4 if path in self.ill else 5)
        if path == "lit":
            told = LITERAL
        if "repair" in words:
            member, told = "check-and-repair-results", repaired(told, checked())
            if path == "lit":
                told = {"storage-index": "", "repair-attempted": False}
        names = path.split("/") if path else []
        entry = {"path": names, "cap": FILE, "type": "file", "storage-index": "abcd"}
        return json.dumps({**entry, member: told})


@pytest.fixture
def tree(gateway):
    found = gateway.answers["stream-deep-check"] = Tree()
    return found


@pytest.fixture
def cap(drive):
    return drive.make()


def test_deep_check_counts_and_names_what_is_not_well(tree, cap, node, tahoe):
    done = tahoe("-d", node, "deep-check", cap)
    assert done.code == 0
    assert done.out == "done: 6 objects checked, 5 healthy, 1 unhealthy\n"
    assert done.err == "'b/g': Not Healthy: 4 shares (enc 2-of-5)\n"
    assert tahoe("-d", node, "-q", "deep-check", cap).err == ""


def test_deep_check_verbose_has_a_line_for_each(tree, cap, node, tahoe):
    done = tahoe("-d", node, "deep-check", "-v", cap)
    first = ["'<root>': Healthy", "'a': Healthy", "'lit': Healthy (LIT)"]
    assert done.out.splitlines()[:3] == first
    assert "'b/g': Not Healthy: 4 shares (enc 2-of-5)" in done.out and done.err == ""


def test_deep_check_tells_of_repairs(tree, cap, node, tahoe):
    done = tahoe("-d", node, "deep-check", "--repair", "-v", cap)
    assert done.out.splitlines()[2:] == [
        "'lit': healthy",
        "'b/f': healthy",
        "'b/g': not healthy",
        " repair successful",
        "'c/h': healthy",
        "done: 6 objects checked",
        " pre-repair: 5 healthy, 1 unhealthy",
        " 1 repairs attempted, 1 successful, 0 failed",
        " post-repair: 6 healthy, 0 unhealthy",
    ]


def test_deep_check_raw_prints_the_lines_as_they_are(tree, cap, node, tahoe):
    done = tahoe("-d", node, "deep-check", "--raw", cap)
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert len(lines) == 7 and lines[-1] == STATS


def test_a_directory_that_can_not_be_read_is_an_error_and_the_rest_is_told(
    tree, cap, node, tahoe
):
    tree.error = "ERROR: NotFoundError: it is gone"
    done = tahoe("-d", node, "deep-check", cap)
    assert done.code == 1 and "ERROR: NotFoundError" in done.err and "done: 6" in done.out


def test_a_check_that_is_cut_tells_where_and_goes_on_there(
    tree, cap, node, tahoe, tmp_path
):
    state, tree.end = tmp_path / "state", 5
    done = tahoe("-d", node, "deep-check", "--resume", state, cap)
    assert done.code == 1 and "cut short after 5 objects" in done.err
    assert "it was in 'b'" in done.err and "URI:" not in state.read_text()
    assert state.stat().st_mode & 0o777 == 0o600
    tree.end = None
    done = tahoe("-d", node, "deep-check", "--resume", state, cap)
    assert done.out == "done: 6 objects checked, 5 healthy, 1 unhealthy\n"
    assert tree.asked[1]["after"] == "b" and not state.exists()


def test_a_state_of_something_else_is_refused(tree, cap, node, tahoe, tmp_path):
    state, tree.end = tmp_path / "state", 5
    tahoe("-d", node, "deep-check", "--resume", state, cap)
    done = tahoe("-d", node, "deep-check", "--verify", "--resume", state, cap)
    assert done.code == 16 and "other options" in done.err
    state.write_text("{}")
    assert tahoe("-d", node, "deep-check", "--resume", state, cap).code == 3
    assert state.read_text() == "{}"
