"""Code as people paste it into a search: lines of an index's units, most with other names or another layout.

Makes queries and says which units answer them; nothing is searched or ranked here.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from indexer.errors import FathomError
from indexer.index import View
from indexer.store.interface import Head
from indexer.style.snippets import read
from search.classes import QueryClass, classify
from search.query import parse

# Queries of each package, and the lines of each.
PASTED_A_PACKAGE = 25
_FEWEST_LINES, _MOST_LINES = 4, 12
_SEED = 17
# What variables are called instead, in this order: plain names that say nothing of what the code is for.
_OTHER_NAMES = "value item result current part entry tmp obj left right first rest out buf cur node x y z v w".split()  # noqa: SIM905
# The share of a query's variables that have another name.
_RENAMED = 0.6


@dataclass(frozen=True, slots=True)
class Pasted:
    """A query, and the units that hold the lines it was made of, each with grade 1."""

    text: str
    relevant: Mapping[str, int]


def pasted_queries(view: View) -> list[Pasted]:
    """Return up to `PASTED_A_PACKAGE` queries of an index, the same each time.

    Of three, one is as it stands, one has other names for some of its variables, one these and another layout.
    """
    chance = random.Random(_SEED)
    heads = {key: head for key, head in view.store.heads(view.catalogue.keys.tolist()).items() if _worth_pasting(head)}
    texts = dict(view.store.texts())
    bare = {key: _bare(texts[key].split("\n")) for key in heads}
    queries: list[Pasted] = []
    for key in chance.sample(list(heads), len(heads)):
        lines = _some_lines(texts[key], chance)
        query = _edited(lines, heads[key].language, len(queries) % 3, chance)
        if _is_code(query):
            wanted = _bare(lines)
            relevant = {heads[other].id: 1 for other in heads if wanted in bare[other]}
            queries.append(Pasted(query, relevant))
        if len(queries) == PASTED_A_PACKAGE:
            break
    return queries


def _worth_pasting(head: Head) -> bool:
    lines = head.end_line - head.start_line + 1
    return head.kind in {"function", "method"} and lines >= _FEWEST_LINES + 2 and "test" not in head.path.lower()


def _some_lines(text: str, chance: random.Random) -> list[str]:
    """Return consecutive lines of a unit, its first left out: whoever has the signature asks for the name."""
    lines = [line for line in text.split("\n")[1:] if line.strip()]
    count = min(chance.randint(_FEWEST_LINES, _MOST_LINES), len(lines))
    start = chance.randint(0, len(lines) - count)
    return lines[start : start + count]


def _edited(lines: Sequence[str], language: str, edits: int, chance: random.Random) -> str:
    text = "\n".join(lines)
    if edits >= 1:
        text = _renamed(text, language, chance)
    margin = min((len(line) - len(line.lstrip()) for line in text.split("\n") if line.strip()), default=0)
    lines = [line[margin:] for line in text.split("\n")]
    return "\n".join(_laid_out(lines) if edits == 2 else lines)


def _renamed(text: str, language: str, chance: random.Random) -> str:
    """Return a text with other names for some of its variables; fields, and what is called, keep theirs."""
    try:
        variables = sorted(name for name in read(text, language).variables if re.fullmatch(r"[a-z]\w*", name))
    except FathomError:
        return text
    chosen = [name for name in variables if chance.random() < _RENAMED]
    others = [name for name in _OTHER_NAMES if name not in variables]
    for name, other in zip(chosen, chance.sample(others, len(others)), strict=False):
        text = re.sub(rf"(?<![\w.>$@:]){re.escape(name)}(?![\w(])", other, text)
    return text


def _laid_out(lines: Sequence[str]) -> Iterator[str]:
    """Yield lines indented by tabs, without what stands behind `//`, and without blanks inside brackets."""
    for line in lines:
        indent = len(line) - len(line.lstrip())
        body = re.sub(r"\s+//\s.*$", "", line.strip())
        yield "\t" * (indent // 2) + re.sub(r"(?<=[(\[])\s+|\s+(?=[)\]])", "", body)


def _is_code(text: str) -> bool:
    try:
        return classify(parse(text)) is QueryClass.CODE
    except FathomError:
        return False


def _bare(lines: Sequence[str]) -> str:
    return " ".join(" ".join(lines).split())
