"""Writes docs/benchmarks.md and its pictures from what the benches found.

    python misc/bench/report.py --run [--quick] [--skip soak]     what `make bench` does
    python misc/bench/report.py                  only the page, from results that are there

Results lie in build/bench as JSON: side_by_side, growth, memory, soak; a part that has no
result is left out.  Text between ``<!-- by hand: NAME -->`` and ``<!-- end -->`` belongs to
people and stays as it is.  Exit code 1 if a program that was run missed a limit.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import growth
import pages

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
PICTURES = ROOT / "docs" / "pictures" / "benchmarks"
RESULTS = ROOT / "build" / "bench"
BY_HAND = re.compile(r"<!-- by hand: (\w+) -->\n(.*?)<!-- end -->", re.DOTALL)

PROGRAMS = {
    "side_by_side": [],
    "growth": [],
    "memory": ["--sizes", "100M,1G"],
    "soak": ["--minutes", "10"],
}
QUICK = {
    "side_by_side": ["--rounds", "2", "--size", "20M", "--count", "16"],
    "growth": [
        *("--largest", "10M", "--repeat", "3", "--servers", "30", "--count", "8"),
        *("--names", "1000", "--clients", "10", "--seconds", "3"),
    ],
    "memory": ["--sizes", "20M,100M"],
    "soak": ["--minutes", "1", "--clients", "50", "--restart-every", "20"],
}


def run(name: str, words: list[str], place: Path) -> int:
    """Run one program; return its exit code."""
    place.mkdir(parents=True, exist_ok=True)
    print(f"==== {name}", flush=True)
    command = [sys.executable, HERE / f"{name}.py", *words, "--out", place / f"{name}.json"]
    return subprocess.run(command).returncode


def load(place: Path) -> dict[str, dict]:
    """Return the results that are there, by the names of their programs."""
    paths = [place / f"{name}.json" for name in PROGRAMS]
    return {path.stem: json.loads(path.read_text()) for path in paths if path.exists()}


def by_hand(page: str) -> dict[str, str]:
    """Return what people wrote into the page, by name."""
    return dict(BY_HAND.findall(page))


def write(results: Mapping[str, dict], page: Path, pictures: Path) -> None:
    """Write the page and draw the pictures; keep what people wrote."""
    kept = by_hand(page.read_text()) if page.exists() else {}
    text = pages.whole(results)
    homeless = [one for one in kept if kept[one] and one not in by_hand(text)]
    if homeless:
        raise SystemExit(f"no result for what was written of {', '.join(homeless)}: --run")
    if "growth" in results:
        growth.draw(results["growth"]["curves"], pictures)
    page.write_text(BY_HAND.sub(lambda found: _kept(found, kept), text))


def _kept(found: re.Match, kept: Mapping[str, str]) -> str:
    name, text = found.groups()
    return f"<!-- by hand: {name} -->\n{kept.get(name, text)}<!-- end -->"


def main() -> int:
    """Run what is asked for, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", action="store_true", help="run the programs first")
    parser.add_argument("--quick", action="store_true", help="in small sizes, as a trial")
    parser.add_argument("--only", default=",".join(PROGRAMS), metavar="NAMES")
    parser.add_argument("--skip", default="", metavar="NAMES")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR")
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--pictures", type=Path, default=PICTURES, metavar="DIR")
    options = parser.parse_args()
    worst = 0
    skipped = options.skip.split(",")
    for name in options.only.split(",") if options.run else []:
        if name not in skipped:
            words = (QUICK if options.quick else PROGRAMS)[name]
            worst = max(worst, run(name, words, options.results))
    results = load(options.results)
    if not results:
        raise SystemExit(f"there are no results in {options.results}; --run makes some")
    write(results, options.page, options.pictures)
    print(f"{options.page.name}: {', '.join(results)}")
    return worst


if __name__ == "__main__":
    sys.exit(main())
