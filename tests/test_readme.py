"""The README is a promise: what it shows is run here, as printed."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import click
import pytest

from allmydata.cli.commands import COMMANDS, root

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text("utf-8")
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^()\s]+)\)")
BIN = Path(sys.executable).parent
LIMIT_S = 110


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Return what is shown of the command line, without what surrounds it."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    lines += re.findall(r"`(tahoe [^`\n]+)`", README)
    return list(dict.fromkeys(shlex.join(words) for line in lines for words in split(line)))


def split(line: str) -> Iterator[list[str]]:
    """Yield the words of each call of ``tahoe`` in a line for a shell."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words = None
    for word in lexer:
        if word == "tahoe":
            words = []
        elif set(word) <= set("();<>|&"):
            if words:
                yield words
            words = None
        elif words is not None:
            words.append(word)
    if words:
        yield words


# ---- what it says ----------------------------------------------------------------------


def test_enough_is_shown():
    shown = " ".join(commands())
    for word in ("create-introducer", "create-node", "create-client", "start", "demo"):
        assert word in shown
    assert len(blocks("sh")[0].splitlines()) == 6
    assert len(blocks("python")) == 2


@pytest.mark.parametrize("line", commands())
def test_every_command_shown_is_one(line):
    words = shlex.split(line)
    at = next(i for i, word in enumerate(words) if word in COMMANDS)
    with root.make_context("tahoe", [*words]) as ctx:
        command = root.get_command(ctx, words[at])
        command.make_context(words[at], words[at + 1 :], parent=ctx)
        with pytest.raises(click.exceptions.Exit) as e:
            command.make_context(words[at], ["--help"], parent=ctx)
    assert e.value.exit_code == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_every_link_leads_to_a_file(page):
    links = [link.partition("#")[0] for link in LINK.findall(page.read_text("utf-8"))]
    ours = [link for link in links if link and not re.match(r"[a-z]+:", link)]
    assert [link for link in ours if not (page.parent / link).is_file()] == []


def test_every_page_is_in_the_index():
    docs = REPOSITORY / "docs"
    index = (docs / "README.md").read_text("utf-8")
    listed = {(docs / link.partition("#")[0]).resolve() for link in LINK.findall(index)}
    apart = [docs / "README.md", *docs.glob("news/*")]
    assert [page for page in PAGES[1:] if page not in listed and page not in apart] == []


# ---- what it does ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """Run lines in a directory where the six lines have been run."""
    folder = tmp_path_factory.mktemp("readme")
    notes = folder / "notes.txt"
    notes.write_bytes(b"what the README promises\n" * 10_000)
    environment = {
        **os.environ,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
    }
    environment.pop("TAHOE_NODE_DIRECTORY", None)

    def run(script):
        return subprocess.run(
            ["bash", "-euc", script],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )

    shell = SimpleNamespace(run=run, folder=folder, notes=notes.read_bytes())
    try:
        shell.made = run(blocks("sh")[0])
        yield shell
    finally:
        for node in ("me", "s1", "s2", "s3", "s4", "hub"):
            run(f"tahoe stop {node} || true")


@pytest.mark.system
def test_six_lines_make_a_grid_that_stores_and_returns_a_file(shell):
    assert shell.made.returncode == 0, shell.made.stderr
    assert (shell.folder / "copy.txt").read_bytes() == shell.notes


@pytest.mark.system
def test_the_python_example_runs_as_printed(shell):
    (shell.folder / "example.py").write_text(blocks("python")[0])
    done = shell.run(blocks("sh")[1])
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    copy = shell.folder / "notes.txt.copy"
    assert lines[-3].startswith("URI:CHK:")
    assert lines[-2:] == [str(b"the milk"), str(copy)]
    assert copy.read_bytes() == shell.notes
    copy.unlink()


@pytest.mark.system
def test_the_control_port_script_runs_as_printed(shell):
    (shell.folder / "control.py").write_text(blocks("python")[1])
    (line,) = re.findall(r"`(python control\.py [^`]+)`", README)
    done = shell.run(line)
    assert done.returncode == 0, done.stderr
    cap, copy, peak = done.stdout.split()
    assert cap.startswith("URI:CHK:")
    assert copy == str(shell.folder / "notes.txt.copy")
    assert int(peak) > 10_000_000
    assert Path(copy).read_bytes() == shell.notes
    Path(copy).unlink()


@pytest.mark.system
def test_two_servers_may_stop_as_it_says(shell):
    stop = "; ".join(re.findall(r"`(tahoe stop s\d)`", README))
    assert stop.count("stop") == 2
    done = shell.run(
        f"cap=$(tahoe -d me put notes.txt); {stop}; tahoe -d me get $cap again"
    )
    assert done.returncode == 0, done.stderr
    assert (shell.folder / "again").read_bytes() == shell.notes
