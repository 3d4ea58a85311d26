"""``tahoe run`` said plainly, and in other ways."""

import pytest

from allmydata.cli import foreground


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (["run", "d"], "d"),
        (["run", "d", "--allow-stdin-close"], "d"),
        (["-d", "d", "run"], "d"),
        (["-d", "d", "run", "--allow-stdin-close"], "d"),
        (["run"], None),
        (["run", ""], None),
        (["run", "--allow-stdin-close"], None),
        (["run", "--help"], None),
        (["run", "-C", "d"], None),
        (["run", "d", "e"], None),
        (["-q", "run", "d"], None),
        (["-d", "d", "run", "e"], None),
        (["-d", "-q", "run"], None),
        (["get", "run"], None),
    ],
)
def test_only_a_plain_run_is_taken(words, place):
    assert foreground.asked(words) == place


@pytest.mark.parametrize(
    "words", [["run", "DIR"], ["-d", "DIR", "run"], ["-q", "run", "DIR"]]
)
def test_errors_are_the_same_however_it_is_said(tahoe, tmp_path, words):
    place = str(tmp_path / "nowhere")
    done = tahoe(*(place if word == "DIR" else word for word in words))
    assert (done.code, done.out) == (2, "")
    first, *_ = done.err.splitlines()
    assert first.startswith("error: ") and first.endswith("[2 not found]")


def test_a_plain_run_starts_below_the_home_directory(tahoe, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    done = tahoe("run", "~/nowhere")
    assert done.code == 2
    assert f"{tmp_path}/nowhere" in done.err
