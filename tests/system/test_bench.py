"""The benches run: each in its smallest form; what they measure is nobody's promise."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "misc" / "bench"
PROGRAMS = sorted(
    path.name for path in BENCH.glob("*.py") if "ArgumentParser(" in path.read_text("utf-8")
)

pytestmark = pytest.mark.system


def run(words):
    """Run a bench with a short directory of its own for temporary files."""
    program, *options = words.split()
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        return subprocess.run(
            [sys.executable, str(BENCH / program), *options],
            env={**os.environ, "XDG_RUNTIME_DIR": place, "TMPDIR": place},
            capture_output=True,
            text=True,
            timeout=240,
        )


def result(words):
    """Return what a bench found; 1 says that a limit was missed, as a busy machine may."""
    done = run(f"{words} --json")
    assert done.returncode in (0, 1), done.stderr[-2000:]
    assert done.stdout, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("program", PROGRAMS)
def test_it_says_what_it_takes(program):
    done = run(f"{program} --help")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "usage:" in done.stdout


def test_two_systems_side_by_side():
    found = result(
        "side_by_side.py --rounds 1 --size 200k --count 2 --only web,ranges,small,erasure"
        " --servers 3"
    )
    assert found["protocols"] == {"ours": ["https"], "peer": ["foolscap"]}
    lines = {line["key"]: line for line in found["lines"]}
    assert {"web_put", "get_cpu_servers", "range", "small_put_8"} <= set(lines)
    assert all(line["ratio"] > 0 for line in lines.values() if line["peer"])
    assert lines["encode_25_100"]["ours"] > lines["encode_25_100"]["peer"]


def test_peaks_of_client_and_servers():
    (row,) = result("memory.py --sizes 1M --servers 3")["rows"]
    assert row["put_client_MB"] >= row["idle_client_MB"] > 10
    assert row["get_server_MB"] > 10
