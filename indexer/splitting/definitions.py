"""What a grammar's query says of a tree: definitions, in order, named and nested.

No line is given to a unit here.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass

import tree_sitter

from indexer.languages.grammar import Grammar
from indexer.languages.table import Language
from indexer.splitting.lines import DOCSTRING_CHARS, SYMBOL_CHARS, Lines, comment_text, one_line
from indexer.types import Kind

# Deeper definitions stay in the one they stand in: a bound on work, far above what people write.
_MAX_DEPTH = 32
# Levels of the tree in which a definition may start: a chain of ten thousand operators takes the query
# eight seconds otherwise, and no definition of the standard library lies deeper.
_QUERY_DEPTH = 128
_KINDS = ("function", "method", "class")
_DOCSTRING = re.compile(rb"[rRuU]?(\"\"\"|'''|\"|')(.*?)(?<!\\)\1", re.S)
_ARGUMENTS = re.compile(r"<[^<>]*>(?=::|\.)")
# Comments between a header and its body are dropped; what lies further on is beyond any signature.
_HEADER_BYTES = 4096
# Names of things, not the way to them.
_PREFIXES = re.compile(r"^(?:module\.exports|exports|this|self)\.|(?<=\.)prototype\.")

Captures = dict[str, list[tree_sitter.Node]]


@dataclass(slots=True, eq=False)
class Definition:
    """A function or class as the query finds it. Rows count from 0; `first` includes what leads to it."""

    kind: Kind
    name: str
    node: tree_sitter.Node
    body: tree_sitter.Node | None
    start: int
    end: int
    first: int
    last: int
    signature: str
    docstring: str = ""
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """The definitions of a tree, in order of their start, and what leads to them: last row to first row."""

    definitions: list[Definition]
    leads: dict[int, int]
    documents: dict[int, str]


def find(grammar: Grammar, root: tree_sitter.Node, source: bytes, language: Language) -> Found:
    """Run a grammar's query over a tree."""
    found: dict[int, Definition] = {}
    leads: dict[int, int] = {}
    documents: dict[int, str] = {}
    cursor = tree_sitter.QueryCursor(grammar.query)
    cursor.set_max_start_depth(_QUERY_DEPTH)
    for _, captures in cursor.matches(root):
        if "lead" in captures:
            _add_lead(captures, leads, documents)
            continue
        _add(found, _definition(captures, source, language))
    ordered = sorted(found.values(), key=lambda found: (found.start, -found.end))
    return Found(ordered, leads, documents)


def _add_lead(captures: Captures, leads: dict[int, int], documents: dict[int, str]) -> None:
    node = captures["lead"][0]
    last = last_row(node)
    leads[last] = node.start_point.row
    if "leaddoc" in captures:
        documents[last] = _quoted(captures["leaddoc"][0])


def _quoted(node: tree_sitter.Node) -> str:
    return inspect.cleandoc((node.text or b"").decode("utf-8", "ignore"))[:DOCSTRING_CHARS].strip()


def _add(found: dict[int, Definition], definition: Definition) -> None:
    """Keep the outermost of the matches that share a body: a decorated function is one definition."""
    key = definition.body.start_byte if definition.body is not None else -1 - definition.start
    known = found.get(key)
    if known is None:
        found[key] = definition
        return
    inner, outer = sorted((known, definition), key=lambda found: found.end - found.start)
    outer.docstring = outer.docstring or inner.docstring
    found[key] = outer


def last_row(node: tree_sitter.Node) -> int:
    """Return the row of a node's last character; a node that ends with a line feed ends before it."""
    end = node.end_point
    return end.row if end.column else max(end.row - 1, node.start_point.row)


def _definition(captures: Captures, source: bytes, language: Language) -> Definition:
    kind = next(kind for kind in _KINDS if kind in captures)
    node = captures[kind][0]
    body = captures["body"][0] if "body" in captures else None
    head = captures["head"][0] if "head" in captures else node
    raw = _raw_name(captures, source)
    header = source[head.start_byte : node.end_byte if body is None else body.start_byte]
    if b"\n" in header:
        header = _without_comments(header[:_HEADER_BYTES], language)
    return Definition(
        kind=_kind(kind, raw),
        name=_plain(raw),
        node=node,
        body=body,
        start=node.start_byte,
        end=node.end_byte,
        first=node.start_point.row,
        last=last_row(node),
        signature=one_line(header),
        docstring=_inner_docstring(captures, source, language),
    )


def _inner_docstring(captures: Captures, source: bytes, language: Language) -> str:
    if "doc" in captures:
        return _quoted(captures["doc"][0])
    return _python_docstring(source, captures["body"][0]) if language.name == "python" else ""


def _without_comments(header: bytes, language: Language) -> bytes:
    markers = tuple(marker.encode() for marker in language.comments)
    lines = header.split(b"\n")
    return b"\n".join(line for line in lines if not markers or not line.lstrip().startswith(markers))


def _raw_name(captures: Captures, source: bytes) -> str:
    nodes = captures.get("scope", [])[:1] + captures.get("name", [])[:1]
    parts = (source[node.start_byte : node.end_byte][: 4 * SYMBOL_CHARS] for node in nodes)
    return ".".join(part.decode("utf-8", "ignore") for part in parts)


def _kind(capture: str, raw: str) -> Kind:
    if capture == "function" and ("::" in raw or ".prototype." in raw):
        return Kind.METHOD
    return Kind(capture)


def _plain(raw: str) -> str:
    """Return a name with "." between its parts and without quotes, type arguments and white space."""
    name = "".join(raw.split()).strip("\"'`")
    while "<" in name and (shorter := _ARGUMENTS.sub("", name)) != name:
        name = shorter
    if name.endswith(">") and "operator" not in name and name[0].isalpha():
        name = name.partition("<")[0]
    if name.startswith("(") and (inner := re.search(r"\w+", name)):
        name = inner[0]  # C: a function that returns a pointer to a function
    if name.startswith("~."):
        name = "~" + name[2:]
    if not name.isalnum():
        name = _PREFIXES.sub("", name.replace("::", ".").replace("\\", "."))
        name = re.sub(r"(?<=\w):(?=\w)", ".", name).lstrip("&*")
    return name[:SYMBOL_CHARS]


def _python_docstring(source: bytes, body: tree_sitter.Node) -> str:
    start = body.start_byte
    if source[start : start + 1] not in (b'"', b"'", b"r", b"R", b"u", b"U"):
        return ""
    match = _DOCSTRING.match(source, start, body.end_byte)
    if match is None:
        return ""
    return inspect.cleandoc(match[2][: 2 * DOCSTRING_CHARS].decode("utf-8", "ignore"))[:DOCSTRING_CHARS].strip()


def nest(found: Found, lines: Lines, language: Language) -> list[Definition]:
    """Return the definitions that become units: outside functions, with qualified names and leading lines."""
    kept: list[Definition] = []
    open_: list[Definition] = []
    claimed = -1
    for definition in found.definitions:
        while open_ and open_[-1].end <= definition.start:
            claimed = max(claimed, open_.pop().last)
        if _swallowed(definition, open_):
            continue
        _name(definition, open_[-1] if open_ else None)
        if language.name == "haskell" and _continues(definition, kept, open_):
            kept[-1].last, kept[-1].end = definition.last, definition.end
            claimed = definition.last
            open_.append(kept[-1])  # so that what the equation binds locally stays in it
            continue
        _lead(definition, found, lines, claimed + 1, language)
        claimed = max(claimed, definition.first)
        kept.append(definition)
        open_.append(definition)
    return kept


def _swallowed(definition: Definition, open_: list[Definition]) -> bool:
    if not open_:
        return False
    inside = open_[-1]
    same = inside.start == definition.start and inside.end == definition.end
    return same or inside.kind is not Kind.CLASS or len(open_) >= _MAX_DEPTH


def _name(definition: Definition, parent: Definition | None) -> None:
    definition.symbol = definition.name
    if parent is None:
        return
    if parent.symbol:
        definition.symbol = f"{parent.symbol}.{definition.name}".strip(".")[:SYMBOL_CHARS]
    if definition.kind is Kind.FUNCTION:
        definition.kind = Kind.METHOD


def _continues(definition: Definition, kept: list[Definition], open_: list[Definition]) -> bool:
    """Tell whether a Haskell equation goes on with the signature or the equations before it."""
    if not kept or definition.kind is Kind.CLASS:
        return False
    before = kept[-1]
    return before.kind is definition.kind and before.symbol == definition.symbol and before not in open_


def _lead(definition: Definition, found: Found, lines: Lines, floor: int, language: Language) -> None:
    """Move a definition's first row up over the comments and attributes right above it."""
    row = definition.first - 1
    if lines.spaced_doc(row, floor, language.comments):
        row -= 1
    comments: list[int] = []
    documented = ""
    while row >= floor and not lines.blank[row]:
        start = found.leads.get(row)
        if start is not None:
            documented = documented or found.documents.get(row, "")
        else:
            start = lines.comment_above(row, floor, language.comments)
            comments.extend(range(row, start - 1, -1))
        if start > row or start < floor:
            break
        row = start - 1
    definition.first = row + 1
    if not definition.docstring:
        above = [lines.rows[comment] for comment in reversed(comments)]
        definition.docstring = documented or (comment_text(above) if above else "")
