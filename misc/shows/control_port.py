"""Show: the control-port script of the README, as printed, on a demo grid.

    python misc/shows/control_port.py

Exit code 0 when every line below says yes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from readme_examples import blocks, make_file, report, run_in_demo

CALLS = (
    "wait_for_client_connections",
    "upload_from_file_to_uri",
    "download_from_uri_to_file",
    "get_memory_usage",
)
SCRIPT = 'python control.py "$TAHOE_NODE_DIRECTORY" "$PWD/notes.txt"'


def main() -> int:
    """Run the script; print what was seen."""
    print("the control-port script of the README, as printed, on a grid of five:")
    program = blocks("python")[1]
    with TemporaryDirectory() as name:
        folder = Path(name)
        notes, copy = make_file(folder), folder / "notes.txt.copy"
        (folder / "control.py").write_text(program)
        cap, path, peak = run_in_demo(SCRIPT, folder)[-1].split()
        return report(
            {
                "it makes all four calls": all(f'"{call}"' in program for call in CALLS),
                "a file was stored, under a capability": cap.startswith("URI:CHK:"),
                "it was fetched to where it said": path == str(copy),
                "the copy is the same, byte for byte": (
                    copy.read_bytes() == notes.read_bytes()
                ),
                f"the node told its memory: {int(peak) // 10**6} MB of addresses": (
                    int(peak) > 10**7
                ),
            }
        )


if __name__ == "__main__":
    sys.exit(main())
