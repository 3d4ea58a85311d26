import inspect
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest

from allmydata import __version__, errors
from allmydata.cli.commands import COMMANDS
from allmydata.cli.failures import EXIT_CODES, EXIT_WORDS, report


def command(*words):
    return [sys.executable, "-m", "allmydata.cli.main", *words]


def loaded_by(*words):
    """The modules in a process that ran the command."""
    script = (
        "import sys; from allmydata.cli.main import main; code = main(sys.argv[1:]);"
        "print(*sys.modules, sep='\\n', file=sys.stderr)"
    )
    words = [sys.executable, "-c", script, *map(str, words)]
    return set(subprocess.run(words, capture_output=True, text=True).stderr.split("\n"))


def test_version(tahoe):
    done = tahoe("--version")
    assert (done.code, done.out) == (0, f"allmydata/{__version__}\n")
    assert tahoe("-q", "--version").out == done.out


@pytest.mark.system
def test_version_loads_nothing():
    assert not loaded_by("--version") & {"click", "attrs", "http.client", "yaml", "twisted"}


SLOW = {  # what a command that only reads has no use for
    "allmydata.uri",
    "allmydata.interfaces",
    "allmydata.cli.servers",
    "zope.interface",
    "tempfile",
    "shutil",
    "hashlib",
    "secrets",
    "fractions",
    "decimal",
}


@pytest.mark.system
@pytest.mark.parametrize("words", [["get", "URI:LIT:mfra"], ["ls", "URI:DIR2-LIT:"]])
def test_what_only_reads_loads_no_more_than_it_needs(node, words):
    loaded = loaded_by("-d", node, *words)
    assert "http.client" in loaded
    assert loaded & SLOW == set()


@pytest.mark.system
@pytest.mark.parametrize("words", [["status"], ["get", "URI:LIT:"], ["servers"]])
def test_what_talks_to_a_node_loads_no_network_library(node, words):
    loaded = loaded_by("-d", node, *words)
    assert "http.client" in loaded
    assert not loaded & {
        "twisted",
        "foolscap",
        "rich",
        "yaml",
        "psutil",
        "twisted.internet",
    }


@pytest.mark.system
def test_put_loads_no_network_library(node, tmp_path):
    (tmp_path / "f").write_bytes(b"x" * 100)
    loaded = loaded_by("-d", node, "put", tmp_path / "f")
    assert "http.client" in loaded
    assert not loaded & {
        "twisted",
        "foolscap",
        "rich",
        "yaml",
        "psutil",
        "twisted.internet",
    }


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "demo"])
def test_every_command_has_help_that_begins_as_the_list_says(tahoe, name):
    done = tahoe(name, "--help")
    assert done.code == 0
    assert done.out.startswith("Usage: tahoe ")
    module, _, attribute = COMMANDS[name][0].partition(":")
    found = getattr(import_module(f"allmydata.cli.{module}"), attribute)
    assert found.name == name
    assert all(p.help for p in found.params if isinstance(p, click.Option) and not p.hidden)


def test_help_lists_every_command(tahoe):
    done = tahoe("--help")
    assert done.code == 0
    for name, (_, line) in COMMANDS.items():
        assert f"  {name} " in done.out
        assert line in done.out


@pytest.mark.parametrize(
    ("words", "said", "fix"),
    [
        (["--bogus"], "No such option '--bogus'", "tahoe --help"),
        (["bogus"], "No such command 'bogus'", "tahoe --help"),
        (["get"], "Missing argument 'PLACE'", "tahoe get --help"),
        (["put", "--happy", "x"], "Invalid value for '--happy'", "tahoe put --help"),
        (["debug", "bogus"], "No such command 'bogus'", "tahoe debug --help"),
    ],
)
def test_usage_errors(tahoe, words, said, fix):
    done = tahoe(*words)
    assert (done.code, done.out) == (3, "")
    first, last = done.err.splitlines()
    assert said in first
    assert first.endswith("[3 usage]")
    assert last == f"  fix: {fix}"


def test_no_words_at_all_show_the_help(tahoe):
    done = tahoe()
    assert done.code == 3
    assert "Commands:" in done.err


def test_json_errors_are_one_object_on_standard_output(tahoe, tmp_path):
    done = tahoe("-d", tmp_path, "servers", "--json")
    assert done.code == 10
    assert done.err == ""
    said = json.loads(done.out)["error"]
    assert said["code"] == "no-node"
    assert said["exit"] == 10
    assert said["fix"] == f"tahoe -d {tmp_path} start"


def test_a_traceback_comes_only_with_v(tahoe, tmp_path):
    assert "Traceback" not in tahoe("-d", tmp_path, "servers").err
    done = tahoe("-v", "-d", tmp_path, "servers")
    assert done.code == 10
    assert "Traceback" in done.err
    assert "error: no node has offered" in done.err


def test_the_manual_names_every_exit_code_and_command():
    manual = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
    for code, words in EXIT_WORDS.items():
        assert f"| {code} | {words} |" in manual
    for name in COMMANDS:
        assert f"`tahoe {name}" in manual


def every_error():
    return {
        kind.code
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.GridError)
    }


def test_every_error_has_its_exit_code():
    assert every_error() <= set(EXIT_CODES)
    assert set(EXIT_CODES.values()) == set(EXIT_WORDS)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (errors.NoSharesError("none of 3 shares"), 13, "[13 unrecoverable]"),
        (errors.NotMutableError("read-only"), 15, "[15 not permitted]"),
        (KeyboardInterrupt(), 130, "error: interrupted"),
        (OSError(28, "No space left on device", "/x"), 17, "/x: No space left on device"),
        (PermissionError(13, "Permission denied", "/x"), 1, "/x: Permission denied"),
        (ZeroDivisionError("division by zero"), 1, "unforeseen ZeroDivisionError: div"),
    ],
)
def test_errors_in_text(capfd, error, code, said):
    assert report(error, as_json=False, verbose=False) == code
    assert said in capfd.readouterr().err


def test_what_is_unforeseen_tells_how_to_see_more(capfd):
    report(ZeroDivisionError(), as_json=False, verbose=False)
    first, fix = capfd.readouterr().err.splitlines()
    assert first.startswith("error: unforeseen ZeroDivisionError")
    assert "-v" in fix


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize(
    "secret",
    [
        "URI:CHK:aaaabbbb:cccc:3:10:5",
        "URI%3ACHK%3Aaaaabbbb%3Acccc",
        "pb://aaaabbbb@tcp:h:1/swissnum",
        "URI:DIR:pb://aaaabbbb@tcp:h:1/swissnum:aaaabbbb",
    ],
)
def test_no_error_shows_a_secret(capfd, as_json, secret):
    error = errors.GridError(f"bad {secret} here", why=secret, fix=f"drop '{secret}'")
    report(error, as_json=as_json, verbose=True)
    out, err = capfd.readouterr()
    for word in ("aaaabbbb", "cccc", "swissnum"):
        assert word not in out + err
    assert "bad " in out + err
    assert " here" in out + err


def test_json_carries_what_text_does(capfd):
    error = errors.NotEnoughServersError("needs 7", why="3 answer", fix="start more")
    assert report(error, as_json=True, verbose=False) == 12
    assert json.loads(capfd.readouterr().out) == {
        "error": {
            "code": "not-enough-servers",
            "message": "needs 7",
            "why": "3 answer",
            "fix": "start more",
            "exit": 12,
        }
    }


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(tahoe, shell):
    done = tahoe("completion", shell)
    assert done.code == 0
    assert "_TAHOE_COMPLETE" in done.out


def test_completion_of_a_command(tahoe, monkeypatch):
    monkeypatch.setenv("_TAHOE_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "tahoe resta")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert tahoe().out == "plain,restart\n"


@pytest.mark.system
def test_the_module_is_the_command():
    done = subprocess.run(command("--version"), capture_output=True, text=True)
    assert done.stdout == f"allmydata/{__version__}\n"
    assert subprocess.run(command("bogus"), capture_output=True).returncode == 3
