"""Find mentions of pages and files that are not there.

    python misc/tools/check_docs.py [repository]

Looks at every ``docs/….md`` that a program's text names, at every link of every page,
with its ``#heading``, and at every path in a page's back quotes that begins with a
directory of ours.  Prints what is missing, one a line, and exits with 1.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

PROGRAMS = ("allmydata", "misc", "tests")
NAMED_PAGE = re.compile(r"\bdocs/[\w./-]+?\.md\b")
LINK = re.compile(r"\]\(([^()\s]+)\)")
QUOTED_PATH = re.compile(r"`((?:allmydata|tests|misc|docs)/[\w./-]+\.\w+)`")
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
ELSEWHERE = re.compile(r"[a-z]+:")


def main(root: Path) -> int:
    """Print all complaints; return the exit code."""
    complaints = [*named_pages(root), *pages(root)]
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0


def named_pages(root: Path) -> Iterator[str]:
    """Yield a complaint for each page that a program names and that does not exist."""
    for name in PROGRAMS:
        for path in sorted((root / name).rglob("*.py")):
            for page in sorted(set(NAMED_PAGE.findall(path.read_text("utf-8")))):
                if not (root / page).is_file():
                    yield f"{path.relative_to(root)}: no {page}"


def pages(root: Path) -> Iterator[str]:
    """Yield a complaint for each link or path of a page that leads nowhere."""
    for page in [*sorted(root.glob("*.md")), *sorted((root / "docs").rglob("*.md"))]:
        text = CODE.sub("", page.read_text("utf-8"))
        for target in LINK.findall(text):
            if not ELSEWHERE.match(target) and not leads_somewhere(root, page, target):
                yield f"{page.relative_to(root)}: link to {target}"
        for path in QUOTED_PATH.findall(text):
            if not (root / path).exists():
                yield f"{page.relative_to(root)}: no {path}"


def leads_somewhere(root: Path, page: Path, target: str) -> bool:
    """Tell whether a link from *page* finds a file of ours, and in it its heading."""
    name, _, heading = target.partition("#")
    there = (page.parent / name).resolve() if name else page
    if not there.exists() or not there.is_relative_to(root):
        return False
    return not heading or heading in headings(there)


def headings(page: Path) -> set[str]:
    """Return the names that links give to the headings of *page*."""
    found = HEADING.findall(CODE.sub("", page.read_text("utf-8")))
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in found)
    return {heading.replace(" ", "-") for heading in plain}


if __name__ == "__main__":
    here = Path(__file__).resolve().parents[2]
    sys.exit(main(Path(sys.argv[1]).resolve() if sys.argv[1:] else here))
