"""Show: the Python example of the README, as printed, on a demo grid.

    python misc/shows/python_api.py

Exit code 0 when every line below says yes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from readme_examples import blocks, make_file, report, run_in_demo

SCRIPT = """
furl=$(cat "$TAHOE_NODE_DIRECTORY/../introducer/private/introducer.furl")
tahoe create-client --webport none -i "$furl" mine >&2
python example.py mine "$PWD/notes.txt"
"""


def main() -> int:
    """Run the example; print what was seen."""
    print("the Python example of the README, as printed, on a grid of five:")
    with TemporaryDirectory() as name:
        folder = Path(name)
        notes, copy = make_file(folder), folder / "notes.txt.copy"
        (folder / "example.py").write_text(blocks("python")[0])
        lines = run_in_demo(SCRIPT, folder)
        cap, part, path = lines[-3:]
        return report(
            {
                "bytes were stored, under a capability": cap.startswith("URI:CHK:"),
                "eight bytes of their middle came back": part == str(b"the milk"),
                "a file was stored and fetched to where it said": path == str(copy),
                "the copy is the same, byte for byte": (
                    copy.read_bytes() == notes.read_bytes()
                ),
            }
        )


if __name__ == "__main__":
    sys.exit(main())
