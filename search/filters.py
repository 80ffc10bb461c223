"""Fields of a query (`lang: repo: path: kind: sym: ext:`) and what each of them accepts.

No reading of query text here, and no access to an index.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

from indexer.errors import QueryError
from indexer.languages import LANGUAGES, by_name
from indexer.types import Kind, Unit
from search.patterns import Pattern, compile_names, glob_source, has_wildcard

FIELDS = ("lang", "repo", "path", "kind", "sym", "ext")

LanguageOf = Callable[[str], str | None]

_KINDS = {
    **{kind.value: kind.value for kind in Kind},
    **dict.fromkeys(("func", "fn", "fun", "def", "procedure", "subroutine"), Kind.FUNCTION.value),
    **dict.fromkeys(("meth", "constructor"), Kind.METHOD.value),
    **dict.fromkeys(("struct", "interface", "trait", "enum", "type", "protocol"), Kind.CLASS.value),
    **dict.fromkeys(("record", "object", "union"), Kind.CLASS.value),
    **dict.fromkeys(("file", "toplevel"), Kind.MODULE.value),
    **dict.fromkeys(("heading", "doc", "table", "rule"), Kind.SECTION.value),
}
# Longer names that people try for a field.
_MEANT = {name: name for name in FIELDS} | {
    "language": "lang",
    "languages": "lang",
    "repository": "repo",
    "symbol": "sym",
    "extension": "ext",
    "filepath": "path",
}
# One edit away from a field and yet common before a colon in code and in prose.
_ORDINARY = frozenset(
    ("est", "exit", "exp", "kid", "kin", "king", "lag", "land", "lane", "long", "pat", "patch", "paths")
) | {"rep", "reps", "sim", "sum", "sys"}
# What separates the parts of a qualified name in one language or another.
_NAME_SEPARATOR = re.compile(r"::|#|->|\\|/")


@dataclass(frozen=True, slots=True)
class FieldFilter:
    """One field of a query: any of `values`, or with `negated` none of them.

    Case never counts. `*` and `?` stay within a part of a path or name, `**` crosses parts.

    - `path`: a glob with a "/" is matched against the whole path; one without, against the
      folders and the file name, each by itself; a leading "/" means the source's root. A value
      without wildcards is a run of whole path segments, of which the last may lack its ending:
      `src/http` accepts `lib/src/http.py` and `src/http/get.go`, not `src/https.py`.
    - `sym`, `repo`: the whole name or its last parts: `Pool.get` accepts `db.Pool.get`. The
      separators `::`, `#` and `->` count as dots.
    - `ext`: the path ends in a dot and the value.
    - `lang`, `kind`: the name.
    """

    field: str
    values: tuple[str, ...]
    negated: bool = False
    position: int = 0

    def matches(self, value: str) -> bool:
        """Tell whether the filter lets a unit with this value through; negation is applied.

        The value is the unit's language, repository, kind or symbol, and its path for `path` and `ext`.
        """
        if self.field == "sym":
            value = _NAME_SEPARATOR.sub(".", value)
        return (_pattern(self.field, self.values).search(value) is not None) != self.negated

    def accepts(self, unit: Unit) -> bool:
        """Tell whether the filter lets a unit through."""
        return self.matches(_VALUE_OF[self.field](unit))


_VALUE_OF: dict[str, Callable[[Unit], str]] = {
    "lang": lambda unit: unit.language,
    "repo": lambda unit: unit.repository,
    "path": lambda unit: unit.path,
    "kind": lambda unit: unit.kind.value,
    "sym": lambda unit: unit.symbol,
    "ext": lambda unit: unit.path,
}


def canonical_values(
    field: str,
    values: Sequence[str],
    position: int,
    language_name: LanguageOf,
    languages: Collection[str] | None = None,
) -> tuple[str, ...]:
    """Return a field's values as a filter stores them: aliases resolved, decoration removed.

    Raises QueryError, with suggestions, for an unknown kind or language; without `languages`, those
    of the language table.
    """
    if field == "kind":
        return tuple(_kind(value, position) for value in values)
    if field == "lang":
        return tuple(_language(value, position, language_name, languages) for value in values)
    return tuple(_PLAIN.get(field, str)(value) for value in values)


def known_language(name: str) -> str | None:
    """Return the canonical name of a language or alias, "text" for files of no language, else None."""
    if name.lower() == "text":
        return "text"
    language = by_name(name)
    return language.name if language else None


def misspelt_field(name: str) -> str | None:
    """Return the field that a name before a colon was meant for, or None if it is no near miss.

    A near miss has a field's first letter, is one edit away from it, or two from a longer name of
    it, and is not a name that is common before a colon.
    """
    if name in _ORDINARY:
        return None
    near = (known for known in _MEANT if known[0] == name[0] and _is_near(name, known, _slips(known)))
    return next((_MEANT[known] for known in near), None)


def _slips(known: str) -> int:
    # Two edits away from the short names are "env", "page", "line", "log", "set" and many more.
    return 2 if len(known) >= 6 else 1


def _is_near(name: str, known: str, edits: int) -> bool:
    """Tell whether so many insertions, deletions, replacements and swaps of neighbours are enough."""
    shorter = min(len(name), len(known))
    start = next((i for i in range(shorter) if name[i] != known[i]), shorter)
    ours, theirs = name[start:], known[start:]
    if edits == 0 or not ours or not theirs:
        return max(len(ours), len(theirs)) <= edits
    steps = [(ours[1:], theirs[1:]), (ours[1:], theirs), (ours, theirs[1:])]
    if ours[:2] == theirs[:2][::-1]:
        steps.append((ours[2:], theirs[2:]))
    return any(_is_near(left, right, edits - 1) for left, right in steps)


def _symbol(value: str) -> str:
    return _NAME_SEPARATOR.sub(".", value.removesuffix("()"))


def _extension(value: str) -> str:
    return value.lstrip(".") or value


_PLAIN: dict[str, Callable[[str], str]] = {"sym": _symbol, "ext": _extension}


def _kind(value: str, position: int) -> str:
    name = value.lower()
    if name in _KINDS:
        return _KINDS[name]
    if has_wildcard(name) and any(_pattern("kind", (name,)).search(kind.value) for kind in Kind):
        return name
    known = ", ".join(kind.value for kind in Kind)
    hint = _hint(name, _KINDS)
    raise QueryError(f"unknown kind {value!r} at column {position + 1}{hint}; kinds: {known}", position)


def _language(value: str, position: int, language_name: LanguageOf, languages: Collection[str] | None) -> str:
    if has_wildcard(value):
        return value.lower()
    name = language_name(value)
    if name is None:
        known = [language.name for language in LANGUAGES] if languages is None else languages
        hint = _hint(value.lower(), known)
        raise QueryError(f"unknown language {value!r} at column {position + 1}{hint}", position)
    return name


def _hint(name: str, known: Collection[str]) -> str:
    # The cut-off of 0.5 still offers "python" for "pyton3" and offers nothing for noise.
    close = difflib.get_close_matches(name, sorted(known), n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(repr(item) for item in close)}?" if close else ""


@lru_cache(maxsize=128)
def _pattern(field: str, values: tuple[str, ...]) -> Pattern:
    source = _SOURCE_OF[field]
    return compile_names(source(value) for value in values)


def _whole(value: str) -> str:
    return f"^{glob_source(value, '/')}$"


def _last_parts(separator: str) -> Callable[[str], str]:
    return lambda value: f"(?:^|{re.escape(separator)}){glob_source(value, separator)}$"


def _path_source(value: str) -> str:
    rooted, bare = value.startswith("/"), value.removeprefix("/")
    glob = glob_source(bare, "/")
    if has_wildcard(bare) and (rooted or "/" in bare):
        return f"^{glob}$"
    start = "^" if rooted else "(?:^|/)"
    if has_wildcard(bare):
        return f"{start}{glob}(?:$|/)"
    return f"{start}{glob}" if bare.endswith("/") else rf"{start}{glob}(?:$|/|\.)"


_SOURCE_OF: dict[str, Callable[[str], str]] = {
    "lang": _whole,
    "kind": _whole,
    "path": _path_source,
    "sym": _last_parts("."),
    "repo": _last_parts("/"),
    "ext": lambda value: rf"\.{glob_source(value, '/')}$",
}
