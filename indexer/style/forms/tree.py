"""A syntax tree that can be changed: what tree-sitter read, without comments.

No language is known here.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import tree_sitter

from indexer.style.forms.bindings import Binding


class Node:
    """A node of the tree: a leaf has a text, an inner node has kids; `binding` is what a local name stands for."""

    __slots__ = ("binding", "field", "kids", "named", "text", "type")

    def __init__(
        self, kind: str, text: str = "", kids: list[Node] | None = None, field: str | None = None, named: bool = True
    ) -> None:
        self.type = kind
        self.text = text
        self.kids: list[Node] = kids if kids is not None else []
        self.field = field
        self.named = named
        self.binding: Binding | None = None

    def get(self, field: str) -> Node | None:
        """Return the first kid of a field."""
        for kid in self.kids:
            if kid.field == field:
                return kid
        return None

    def named_kids(self) -> list[Node]:
        """Return the kids that are no punctuation or keyword."""
        return [kid for kid in self.kids if kid.named]

    def has(self, token: str) -> bool:
        """Return whether a keyword or sign stands directly in this node."""
        return any(kid.type == token and not kid.named for kid in self.kids)

    def placed(self, field: str | None) -> Node:
        """Return this node, put into another field."""
        self.field = field
        return self


def token(text: str, field: str | None = None) -> Node:
    """Return a keyword or sign."""
    return Node(text, text, field=field, named=False)


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and all below it in the order of the text."""
    stack = [node]
    while stack:
        node = stack.pop()
        yield node
        if node.kids:
            stack.extend(reversed(node.kids))


def leaves(node: Node) -> Iterator[Node]:
    """Yield the leaves below a node in the order of the text."""
    return (each for each in walk(node) if not each.kids)


def plain(node: Node) -> str:
    """Return the text of a node, its leaves side by side; equal texts of small expressions mean equal expressions."""
    return " ".join(leaf.text for leaf in leaves(node) if leaf.text)


def same(left: Node, right: Node) -> bool:
    """Return whether two expressions are the same, names by what they are bound to."""
    if left.type != right.type or left.text != right.text or left.binding is not right.binding:
        return False
    return len(left.kids) == len(right.kids) and all(map(same, left.kids, right.kids))


@cache
def _vocabulary(language: tree_sitter.Language) -> tuple[list[str], list[str | None]]:
    kinds = [language.node_kind_for_id(kind) or "" for kind in range(language.node_kind_count)]
    return kinds, [None, *(language.field_name_for_id(field) for field in range(1, language.field_count + 1))]


def build(tree: tree_sitter.Tree, language: tree_sitter.Language, source: bytes, atoms: frozenset[str]) -> Node:
    """Return a tree as nodes; `atoms` are kinds whose text is kept as one leaf.

    A text that no leaf holds (the grammars leave some out) becomes a leaf of kind "gap".
    """
    kinds, fields = _vocabulary(language)
    cursor = tree.walk()
    text = source.decode("utf-8", "replace") if source.isascii() else None

    def cut(start: int, end: int) -> str:
        return text[start:end] if text is not None else source[start:end].decode("utf-8", "replace")

    def read() -> Node | None:
        node = cursor.node
        assert node is not None
        kind = kinds[node.kind_id] if node.kind_id < len(kinds) else node.type
        if ("comment" in kind and node.is_named) or kind == "line_continuation":
            return None
        found = Node(kind, field=fields[cursor.field_id or 0], named=node.is_named)
        start = node.start_byte
        if kind in atoms or not cursor.goto_first_child():
            found.text = cut(start, node.end_byte)
            return found
        kids, last = found.kids, start
        while True:
            each = cursor.node
            assert each is not None
            begin = each.start_byte
            if begin > last and (missed := cut(last, begin)).strip(" \t\r\n\f\v\\"):
                kids.append(Node("gap", missed))
            last = each.end_byte
            kid = read()
            if kid is not None:
                kids.append(kid)
            if not cursor.goto_next_sibling():
                break
        if node.end_byte > last and (missed := cut(last, node.end_byte)).strip(" \t\r\n\f\v\\"):
            kids.append(Node("gap", missed))
        cursor.goto_parent()
        return found

    return read() or Node("empty")
