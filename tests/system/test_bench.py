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


def test_curves_have_a_row_for_each_step():
    found = result("growth.py --only servers,directories --servers 3 --count 2 --names 100")
    columns = {"servers": "servers", "directories": "names"}
    steps = {
        name: [row[column] for row in found["curves"][name]]
        for name, column in columns.items()
    }
    assert steps == {"servers": [1, 3], "directories": [10, 100]}


def test_peaks_of_client_and_servers():
    (row,) = result("memory.py --sizes 1M --servers 3")["rows"]
    assert row["put_client_MB"] >= row["idle_client_MB"] > 10
    assert row["get_server_MB"] > 10


def test_a_crowd_sees_no_error_while_servers_die():
    found = result(
        "soak.py --minutes 0.15 --clients 8 --restart-every 4 --look-every 1 --servers 4"
    )
    assert found["restarts"] >= 2
    assert found["errors"] == {}
    assert {"put", "get", "read", "add", "list", "again"} == set(found["kinds"])
    assert len(found["nodes"]) == 6
