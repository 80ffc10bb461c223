"""Code without what people say about it: comments and docstrings taken out, by the grammar.

For training and evaluation, where a question must not be answered by its own words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import tree_sitter

from indexer.languages import by_name
from indexer.languages.grammar import grammar_of

# What grammars call comments beside names that say so: Haskell's documentation, and SQL's blocks.
_COMMENTS = frozenset({"haddock", "marginalia"})
# What holds statements in Python's grammar: a string that stands first in one is a docstring.
_PYTHON_BODIES = frozenset({"module", "block"})
_PYTHON_STRINGS = frozenset({"string", "concatenated_string"})
_ELIXIR_DOCUMENTATION = re.compile(rb"@(?:module|type)?doc\b")
# Without it PHP's grammar reads code as text of a page.
_PHP_OPENING = b"<?php "


def without_docstrings(text: str, language: str | None) -> str:
    """Return code without its comments and docstrings, and without the lines that held nothing else.

    A text in a language without a grammar, or of a document, is returned as it is. Where there is nothing but
    comments, nothing is left.
    """
    known = by_name(language) if language else None
    grammar = grammar_of(known) if known is not None and not known.document else None
    if known is None or grammar is None:
        return text
    source = bytearray(text.encode("utf-8", "replace").replace(b"\0", b" "))
    opening = _PHP_OPENING if known.name == "php" and b"<?" not in source else b""
    root = grammar.parse(opening + bytes(source)).root_node
    spoken = [(start - len(opening), end - len(opening)) for start, end in _spoken(root, known.name)]
    for start, end in spoken:
        source[start:end] = bytes(byte if byte in b"\n" else 0x20 for byte in source[start:end])
    lines = [line.rstrip() for line in source.decode("utf-8", "replace").split("\n")]
    before = text.split("\n")
    return "\n".join(line for line, old in zip(lines, before, strict=True) if line or not old.strip())


def _spoken(root: tree_sitter.Node, language: str) -> Iterator[tuple[int, int]]:
    """Yield the byte ranges of comments and docstrings."""
    stack = [root]
    while stack:
        node = stack.pop()
        if "comment" in node.type or node.type in _COMMENTS or (language == "elixir" and _is_attribute(node)):
            yield node.start_byte, node.end_byte
            continue
        if language == "python" and node.type in _PYTHON_BODIES:
            first = next((child for child in node.named_children if "comment" not in child.type), None)
            if first is not None and _is_string(first):
                yield first.start_byte, first.end_byte
        stack.extend(node.named_children)


def _is_string(node: tree_sitter.Node) -> bool:
    if node.type != "expression_statement":
        return node.type in _PYTHON_STRINGS
    return node.named_child_count == 1 and node.named_children[0].type in _PYTHON_STRINGS


def _is_attribute(node: tree_sitter.Node) -> bool:
    return node.type == "unary_operator" and _ELIXIR_DOCUMENTATION.match(node.text or b"") is not None
