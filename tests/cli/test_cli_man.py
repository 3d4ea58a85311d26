import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from allmydata.cli.commands import COMMANDS, root

PAGES = Path(__file__).parents[2] / "docs" / "man"
MACROS = {".TH", ".SH", ".SS", ".TP", ".PP", ".B", ".BR", ".nf", ".fi"}


@pytest.fixture(scope="module")
def make_man():
    path = Path(__file__).parents[2] / "misc" / "tools" / "make_man.py"
    spec = importlib.util.spec_from_file_location("make_man", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pages(make_man):
    return make_man.pages()


def test_the_pages_are_those_of_the_commands_as_they_are(pages):
    kept = {path.name: path.read_text("utf-8") for path in PAGES.glob("*.1")}
    assert kept == pages, "run misc/tools/make_man.py"


def test_every_command_has_a_page_that_names_each_of_its_options(pages):
    assert set(pages) == {"tahoe.1", *(f"tahoe-{name}.1" for name in COMMANDS)}
    ctx = click.Context(root)
    for name in COMMANDS:
        page = pages[f"tahoe-{name}.1"].replace("\\-", "-")
        for param in root.get_command(ctx, name).params:
            if isinstance(param, click.Option) and not param.hidden:
                assert param.opts[0] in page


def test_no_line_of_text_is_taken_for_a_macro(pages):
    for page in pages.values():
        for line in page.splitlines():
            assert line, "troff makes a gap of an empty line"
            if line[0] in ".'":
                assert line.split(" ")[0] in MACROS
            assert not re.search(r"(?<!\\)-", line.replace("\\-", ""))


def test_lines_that_are_to_be_kept_are(pages):
    kept = pages["tahoe-completion.1"].split(".nf\n")[1].split(".fi\n")[0]
    assert [line.split(":")[0] for line in kept.splitlines()] == ["bash", "zsh", "fish"]


def test_text_has_no_meaning_to_troff(make_man):
    assert make_man.text(".B x") == "\\&.B x"
    assert make_man.text('a\\b--c "d"') == "a\\eb\\-\\-c \\(dqd\\(dq"


def test_a_page_that_no_command_has_is_taken_away(make_man, tmp_path):
    (tmp_path / "tahoe-old.1").touch()
    (tmp_path / "README").touch()
    make_man.main(tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"README", "tahoe.1", *(f"tahoe-{name}.1" for name in COMMANDS)}


@pytest.mark.skipif(not shutil.which("groff"), reason="groff is not installed")
def test_groff_finds_nothing_wrong(tmp_path, make_man):
    make_man.main(tmp_path)
    words = ["groff", "-man", "-Tutf8", "-ww", *sorted(map(str, tmp_path.glob("*.1")))]
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_help_keeps_the_lines_that_are_to_be_kept(tahoe):
    lines = tahoe("completion", "--help").out.splitlines()
    assert any(line.lstrip().startswith("zsh:") for line in lines)
