"""Which names a backup leaves out: patterns as shells have them.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate

from attrs import field, frozen

# what version control systems keep beside the files they control
VCS = (
    "CVS RCS SCCS .git .gitignore .gitattributes .gitmodules .cvsignore .svn .arch-ids"
    " {arch} =RELEASE-ID =meta-update =update .bzr .bzrignore .bzrtags .hg .hgignore"
    " .hgtags _darcs .jj .fslckout _FOSSIL_"
).split()


@frozen
class Exclusions:
    """Patterns; one without a slash is of a name at any depth, one with of a whole path."""

    patterns: tuple[str, ...] = ()
    _names: re.Pattern[str] | None = field(init=False)
    _paths: re.Pattern[str] | None = field(init=False)

    @_names.default
    def _(self) -> re.Pattern[str] | None:
        return _any_of(p for p in self.patterns if "/" not in p.rstrip("/"))

    @_paths.default
    def _(self) -> re.Pattern[str] | None:
        return _any_of(p.lstrip("/") for p in self.patterns if "/" in p.rstrip("/"))

    def leave_out(self, path: str, name: str) -> bool:
        """Tell whether the file or directory *name* is left out.

        :param path: from where the backup begins, with slashes between
        """
        return bool(
            (self._names and self._names.match(name))
            or (self._paths and self._paths.match(path))
        )


def patterns_in(text: str) -> list[str]:
    """Return the patterns in a file: one a line; empty lines and those after # are none."""
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _any_of(patterns: Iterable[str]) -> re.Pattern[str] | None:
    parts = [translate(pattern.rstrip("/")) for pattern in patterns]
    return re.compile("|".join(f"(?:{part})" for part in parts)) if parts else None
