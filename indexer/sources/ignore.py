"""Ignore files as git reads them: nested, the deeper and the later rule deciding, an ignored folder final.

Nothing here touches a disk: texts come in, decisions go out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import re2
from pathspec.patterns.gitignore import GitIgnorePatternError
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

GIT_IGNORE, FATHOM_IGNORE = ".gitignore", ".fathomignore"
# Real ignore files stay under some 20 KB; matching a hostile one must not take longer than reading the file.
MAX_IGNORE_BYTES = 64 << 10
TOO_MANY_RULES = f"more than {MAX_IGNORE_BYTES} bytes of rules"
# Enough for the largest ignore file; what is held of it grows with use.
_COMPILED_BYTES = 32 << 20

# pathspec marks with this group where a rule matched a folder; below that folder we never look.
_FOLDER = "(?P<ps_d>/)"
_ESCAPED_SLASH = re.compile(r"(?<!\\)((?:\\\\)*)\\/(?=.)")
_STARS = re.compile(r"\*{3,}")
_ANY_DEPTHS = re.compile(r"(?:(?<=/)|(?<=^)|(?<=^!))(?:\*\*/){2,}")
_POSIX_CLASS = re.compile(r"\[:(\w+):\]")
_POSIX_CLASSES = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "blank": " \t",
    "digit": "0-9",
    "lower": "a-z",
    "space": " \t\v\f",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}


class IgnoreFile:
    """The rules of one ignore file, all matched at once; the last one that matches decides."""

    def __init__(self, text: str) -> None:
        self._ignores: list[bool] = []
        self._rules = re2.Set.SearchSet(_options())
        for line in text.removeprefix("\ufeff").split("\n"):
            self._add(line.removesuffix("\r"))
        self._rules.Compile()

    def __bool__(self) -> bool:
        return bool(self._ignores)

    def decide(self, path: str, *, folder: bool) -> bool | None:
        """Tell whether a path (relative to the ignore file) is ignored; None: no rule of this file says."""
        matched: list[int] | None = self._rules.Match((f"{path}/" if folder else path).encode())
        return self._ignores[max(matched)] if matched else None

    def _add(self, line: str) -> None:
        for expression in _expressions(line):
            self._rules.Add(expression.encode())
            self._ignores.append(not line.startswith("!"))


@dataclass(frozen=True, slots=True)
class _Level:
    """An ignore file in force; a path is shown to it without its first `cut` characters, those of its folder."""

    rules: IgnoreFile
    cut: int


@dataclass(frozen=True, slots=True)
class Rules:
    """The ignore files in force in a folder, outermost first; `.fathomignore` files speak before git's."""

    git: tuple[_Level, ...] = ()
    fathom: tuple[_Level, ...] = ()

    def within(self, folder: str, *, git: str = "", fathom: str = "") -> Rules:
        """Return these rules with the texts of the ignore files of a folder ("" or ending in "/") added."""
        return Rules(_added(self.git, git, folder), _added(self.fathom, fathom, folder))

    def decide(self, path: str, *, folder: bool) -> tuple[bool, bool]:
        """Tell whether a path (from where `within` counts) is ignored, and whether a `.fathomignore` asks for it.

        Its parents are taken as not ignored: nothing below an ignored folder can be asked for.
        """
        chosen = _last(self.fathom, path, folder)
        if chosen is not None:
            return chosen, not chosen
        return bool(_last(self.git, path, folder)), False


def _added(levels: tuple[_Level, ...], text: str, folder: str) -> tuple[_Level, ...]:
    rules = _compiled(text) if text else None
    return (*levels, _Level(rules, len(folder))) if rules else levels


def _last(levels: tuple[_Level, ...], path: str, folder: bool) -> bool | None:
    for level in reversed(levels):
        decision = level.rules.decide(path[level.cut :], folder=folder)
        if decision is not None:
            return decision
    return None


# Trees repeat small ignore files ("*" in every cache folder).
@lru_cache(maxsize=64)
def _compiled(text: str) -> IgnoreFile:
    return IgnoreFile(text)


def _options() -> re2.Options:
    options = re2.Options()
    options.max_mem = _COMPILED_BYTES
    options.encoding = re2.Options.Encoding.LATIN1  # one by one, as git does: "?" is a byte
    options.dot_nl = True  # a name may hold a line break
    options.log_errors = False
    return options


def _expressions(line: str) -> list[str]:
    """Return the rule of a line as one RE2 expression, or none for a line without a valid rule.

    A file is matched as "a/b", a folder as "a/b/"; pathspec's expressions also match what lies below an
    ignored folder, which must not count here: a `!rule` for a folder says nothing about its files.
    """
    rule = _portable(line)
    try:
        expression, _ = GitIgnoreSpecPattern.pattern_to_regex(rule)
    except GitIgnorePatternError:
        return []
    if expression is None:
        return []
    whole = _whole(str(expression), folders_below=rule.lstrip("!").endswith("/**/") and rule.lstrip("!") != "/**/")
    try:
        re2.compile(whole.encode(), options=_options())
    except re2.error:
        return []
    return [whole]


def _portable(line: str) -> str:
    """Return a line with what pathspec strips or does not know written so that it reads it as git does."""
    kept = line.rstrip(" ")
    escaped = (len(kept) - len(kept.rstrip("\\"))) % 2 == 1
    if escaped and len(line) > len(kept):
        kept += " "
    kept = _ANY_DEPTHS.sub("**/", _STARS.sub("**", _ESCAPED_SLASH.sub(r"\1/", kept)))
    return _POSIX_CLASS.sub(lambda match: _POSIX_CLASSES.get(match.group(1), ""), kept)


def _whole(expression: str, *, folders_below: bool) -> str:
    if expression == "/":  # "*/**": whatever lies in a folder
        return "/[^/]"
    expression = expression.replace(f"(?:{_FOLDER}|$)", "/?$").replace("[^", "[^/")
    if expression.endswith(_FOLDER):
        return expression.removesuffix(_FOLDER) + ("/.*/$" if folders_below else "/$")
    return f"{expression}[^/]" if expression.endswith("/") else expression
