"""Ignore files as git reads them: nested, the deeper and the later rule deciding, folders final."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

IGNORE_FILES = (".gitignore", ".fathomignore")


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules in force in a folder: each spec with the folder (relative to the top, "" or ending in "/") it is of."""

    specs: tuple[tuple[str, GitIgnoreSpec], ...] = ()

    def within(self, prefix: str, text: str) -> Rules:
        """Return the rules with those of an ignore file in the folder `prefix` added."""
        return Rules((*self.specs, (prefix, GitIgnoreSpec.from_lines(text.splitlines()))))

    def ignores(self, path: str, *, folder: bool) -> bool:
        """Tell whether a path (relative to the top) is ignored; its parents are not."""
        for prefix, spec in reversed(self.specs):
            verdict = spec.check_file(path[len(prefix) :] + ("/" if folder else ""))
            if verdict.include is not None:
                return verdict.include
        return False


def top_rules(root: Path) -> tuple[Rules, str]:
    """Return the rules that hold above `root` in its git work tree, and `root`'s prefix in it."""
    top = next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)
    prefix = "" if top == root else f"{root.relative_to(top).as_posix()}/"
    rules = Rules()
    exclude = top / ".git" / "info" / "exclude"
    if exclude.is_file():
        rules = rules.within("", exclude.read_text(encoding="utf-8", errors="replace"))
    folder, at = top, ""
    for part in Path(prefix).parts:
        rules = add_files(rules, folder, at)
        folder, at = folder / part, f"{at}{part}/"
    return rules, prefix


def add_files(rules: Rules, folder: Path, prefix: str) -> Rules:
    """Return the rules with those of the ignore files in `folder` added."""
    for name in IGNORE_FILES:
        path = folder / name
        if path.is_file() and not path.is_symlink():
            rules = rules.within(prefix, path.read_text(encoding="utf-8", errors="replace"))
    return rules
