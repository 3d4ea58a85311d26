"""The long campaigns, one after another: what is claimed, shown.

    python misc/shows/run_all.py [NAME ...] [--list]

Each program beside this one can be run alone, with its counts as options (--help).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
VECTORS = [  # where every case of tests/vectors/chk.json and mutable.json is used
    "tests/immutable/test_vectors.py",
    "tests/mutable/test_vectors.py",
    "tests/crypto/test_mutable_keys.py",
    "tests/formats/test_mutable.py",
    "tests/formats/test_dir2.py",
    "tests/test_uri_mutable.py",
]
SHOWS = {
    "demo": ["demo.py"],
    "seven-of-ten": "demo.py --servers 10 --shares 3/7/10 --size 100M --one-more".split(),
    "frozen": ["demo.py", "--freeze", "--size", "10M"],
    "vectors": ["-m", "pytest", "-q", *VECTORS],
    "damage": ["damage.py", "--truncations", "100"],
    "kill9": ["kill9.py", "--rounds", "20"],
    "python-api": ["python_api.py"],
    "control-port": ["control_port.py"],
    "wheel": ["wheel.py"],
    "vdrive-interfaces": ["vdrive_interfaces.py"],
    "sixteen-writers": ["sixteen_writers.py"],
    "mutable-race": ["mutable_race.py"],
    "mutable-race-mdmf": "mutable_race.py --format MDMF --rounds 100".split(),
    "vdrive-kill9": ["vdrive_kill9.py"],
    "vdrive-backup": ["vdrive_backup.py"],
    "cp-tree": ["cp_tree.py"],
    "duplicity": ["duplicity.py"],
    "annex-builtin": ["annex_builtin.py"],
    "annex-external": ["annex_external.py"],
    "annex-backend": ["annex_backend.py"],
    "backup": ["backup.py"],
    "hostile-names": ["hostile_names.py"],
    "web-callers": ["web_callers.py"],
    "keeper": ["keeper.py"],
    "durability": ["../simulators/durability.py"],
    "rot": ["rot.py"],
    "subsets": ["subsets.py"],
    "expiry": ["expiry.py"],
    "hostile-servers": ["hostile_servers.py"],
    "one-grid": ["one_grid.py"],
    "moving-in": ["moving_in.py"],
    "refused": ["refused.py"],
    "web-safety": ["web_safety.py"],
    "hive-examples": ["hive_examples.py"],
    "hive-race": ["hive_race.py"],
    "hive-recover": ["hive_recover.py"],
    "hive-pickles": ["hive_pickles.py"],
    "web-hostile": ["web_hostile.py"],
}


def command(words: list[str]) -> list[str]:
    """Return what is run for a show."""
    if words[0] == "-m":
        return [sys.executable, *words]
    return [sys.executable, str(HERE / words[0]), *words[1:]]


def main() -> int:
    """Run those named, or all; return 1 if one did not show what it should."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    parser.add_argument("--list", action="store_true", help="print the names and end")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in SHOWS]
    if unknown:
        parser.error(f"no such show: {', '.join(unknown)}; there are {', '.join(SHOWS)}")
    if options.list:
        print(*SHOWS, sep="\n")
        return 0
    failed = []
    for name in options.names or SHOWS:
        print(f"==== {name}", flush=True)
        began = time.monotonic()
        status = subprocess.run(command(SHOWS[name])).returncode
        verdict = "shown" if status == 0 else f"NOT SHOWN, exit {status}"
        print(f"==== {name}: {verdict} ({time.monotonic() - began:.0f} s)\n", flush=True)
        failed += [name] if status else []
    print(f"not shown: {', '.join(failed)}" if failed else "all shown")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
