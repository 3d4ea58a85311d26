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


def blocks(language: str, page: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def block_with(words: str) -> str:
    """Return the one block for a shell that holds *words*."""
    (block,) = [block for block in blocks("sh") if words in block]
    return block


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
    for word in ("create-alias", "mkdir", "put", "ls -l", "cp -r", "ln", "backup"):
        assert word in block_with("create-alias")
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


def test_every_page_is_in_an_index():
    docs = REPOSITORY / "docs"
    indexes = sorted(docs.rglob("README.md"))
    listed = {
        (index.parent / link.partition("#")[0]).resolve()
        for index in indexes
        for link in LINK.findall(index.read_text("utf-8"))
    }
    apart = {*docs.glob("news/*"), docs / "README.md"}
    assert [page for page in PAGES[1:] if page not in listed | apart] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_every_test_that_a_page_names_is_there(page):
    for path, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page.read_text("utf-8")):
        assert f"def {name}(" in (REPOSITORY / path).read_text("utf-8"), f"{path}::{name}"


# ---- what it does ----------------------------------------------------------------------


def run(script, folder):
    """Run lines for a shell, with ``tahoe`` on the path and no node of their own."""
    environment = {name: text for name, text in os.environ.items() if "TAHOE" not in name}
    environment["PATH"] = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    environment["HOME"] = str(folder)
    return subprocess.run(
        ["bash", "-euc", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )


def stop_all(folder):
    for config in folder.glob("*/tahoe.cfg"):
        run(f"tahoe stop {config.parent.name}", folder)


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """Run lines in a directory where the six lines have been run."""
    folder = tmp_path_factory.mktemp("readme")
    notes = folder / "notes.txt"
    notes.write_bytes(b"what the README promises\n" * 10_000)
    (folder / "photos" / "2026").mkdir(parents=True)
    (folder / "photos" / "2026" / "snow.jpg").write_bytes(bytes(range(256)) * 20)
    try:
        made = run(blocks("sh")[0], folder)
        yield SimpleNamespace(
            run=lambda script: run(script, folder),
            folder=folder,
            notes=notes.read_bytes(),
            made=made,
        )
    finally:
        stop_all(folder)


@pytest.mark.system
def test_six_lines_make_a_grid_that_stores_and_returns_a_file(shell):
    assert shell.made.returncode == 0, shell.made.stderr
    assert (shell.folder / "copy.txt").read_bytes() == shell.notes


@pytest.mark.system
def test_names_are_given_to_files_as_printed(shell):
    done = shell.run(block_with("create-alias"))
    assert done.returncode == 0, done.stderr
    assert re.search(r"^-r-- +250000 .* monday\.txt$", done.stdout, re.MULTILINE)
    given = dict(re.findall(r"^ *(\w+) (URI:DIR-RO:\S+)$", done.stdout, re.MULTILINE))
    assert sorted(given) == ["letters", "photos"]
    looked = shell.run(
        f"""tahoe -d me add-alias friend - <<< {given["letters"]}
        tahoe -d me get friend:monday.txt letter.txt
        tahoe -d me ls -l tahoe:
        tahoe -d me cp -r work:backups/Latest/ back
        tahoe -d me put notes.txt friend:mine || echo "exit code $?"
        tahoe -d me mkdir tahoe:to-look-at/mine || echo "exit code $?" """
    )
    assert looked.returncode == 0, looked.stderr
    assert re.search(r"^dr-x .* to-look-at$", looked.stdout, re.MULTILINE)
    assert looked.stdout.count("exit code 15") == 2
    assert (shell.folder / "letter.txt").read_bytes() == shell.notes
    photo = Path("2026") / "snow.jpg"
    assert (shell.folder / "back" / photo).read_bytes() == bytes(range(256)) * 20


@pytest.mark.system
def test_the_python_example_runs_as_printed(shell):
    (shell.folder / "example.py").write_text(blocks("python")[0])
    done = shell.run(block_with("example.py"))
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


@pytest.mark.system
def test_the_quickstart_runs_as_printed(tmp_path):
    page = (REPOSITORY / "docs" / "quickstart.md").read_text("utf-8")
    try:
        done = run("\n".join(blocks("sh", page)), tmp_path)
    finally:
        stop_all(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "4 of 4 connected" in done.stdout
    assert (tmp_path / "photo.again").read_bytes() == (tmp_path / "photo").read_bytes()
    assert "exit code 13" in done.stdout
    assert not (tmp_path / "never").exists()


@pytest.mark.system
@pytest.mark.parametrize("show", ["python_api", "control_port"])
def test_the_examples_run_on_a_demo_grid_too(show, tmp_path):
    done = run(f"python {REPOSITORY}/misc/shows/{show}.py", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("yes") >= 4
