"""Ignore files as git reads them: nested, the deeper and the later rule deciding, ignored folders final.

Nothing here walks a tree: callers ask for one path at a time, parents first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pathspec.patterns.gitignore.base import GitIgnorePatternError
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

IGNORE_FILES = (".gitignore", ".fathomignore")
# An ignore file has a few lines; what comes after this much is not read.
_MAX_BYTES = 1 << 20
# The name of the group that pathspec sets where a pattern matched a folder's slash.
_SLASH = "ps_d"
# What pathspec makes of "*/": it finds any slash, not the last one.
_ANY_FOLDER = f"(?P<{_SLASH}>/)"


@dataclass(frozen=True, slots=True)
class Rules:
    """The patterns in force, weakest first, each with its folder (relative to the top: "" or "a/b/")."""

    patterns: tuple[tuple[str, GitIgnoreSpecPattern], ...] = ()

    def within(self, prefix: str, text: str) -> Rules:
        """Return the rules with those of an ignore file in the folder `prefix` added."""
        return Rules((*self.patterns, *((prefix, pattern) for pattern in _parse(text))))

    def ignores(self, path: str, *, folder: bool) -> bool:
        """Tell whether a path (relative to the top) is ignored, provided that its parents are not."""
        shown = f"{path}/" if folder else path
        for prefix, pattern in reversed(self.patterns):
            if shown.startswith(prefix) and _matches(pattern, shown[len(prefix) :]):
                return bool(pattern.include)
        return False


def rules_above(root: Path) -> tuple[Rules, str]:
    """Return the rules of the git work tree around `root`, and `root`'s prefix in it ("" or "a/b/").

    A root that these rules ignore was named on purpose: they do not bind it.
    """
    top = next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)
    rules, at = Rules(), ""
    exclude = top / ".git" / "info" / "exclude"
    if exclude.is_file():
        rules = rules.within("", _text(exclude))
    for part in root.relative_to(top).parts:
        rules = rules_in(rules, top / at, at)
        if rules.ignores(at + part, folder=True):
            rules = Rules()
        at = f"{at}{part}/"
    return rules, at


def rules_in(rules: Rules, folder: Path, prefix: str, names: Iterable[str] = IGNORE_FILES) -> Rules:
    """Return the rules with those of the ignore files in `folder` added."""
    for name in names:
        path = folder / name
        if path.is_file() and not path.is_symlink():
            rules = rules.within(prefix, _text(path))
    return rules


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(_MAX_BYTES).decode("utf-8-sig", "replace")
    except OSError:
        return ""  # as git does; the walk meets the file itself and reports it as unreadable


def _parse(text: str) -> list[GitIgnoreSpecPattern]:
    patterns = []
    for line in text.split("\n"):
        try:
            pattern = GitIgnoreSpecPattern(line.removesuffix("\r"))
        except GitIgnorePatternError:
            continue  # git, too, passes over a line that is no pattern
        if pattern.include is not None:
            patterns.append(pattern)
    return patterns


def _matches(pattern: GitIgnoreSpecPattern, path: str) -> bool:
    """Tell whether a pattern matches this very path, not merely a folder above it."""
    regex = pattern.regex
    if regex is None:
        return False
    if regex.pattern == _ANY_FOLDER:
        return path.endswith("/")
    if _SLASH in regex.groupindex:
        return regex.fullmatch(path) is not None
    match = regex.search(path)
    # "a/**" is "^a/" to pathspec; it means what is in the folder, not the folder.
    return match is not None and not (regex.pattern.endswith("/") and match.end() == len(path))
