"""A text as what its style is told by: its variables, the APIs it calls, and its syntax tree.

Nothing is compared here.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

import tree_sitter

from indexer.errors import EnvironmentFailed, UsageError
from indexer.languages import LANGUAGES, Language, by_name
from indexer.languages.grammar import Grammar, grammar_of
from indexer.style.forms import LANGUAGES as FORMS
from indexer.style.names import kids, names
from indexer.style.trees import Tree

# Characters; longer texts are data or machine-made, and comparing all their names would take minutes.
LONGEST = 200_000
# Pairs of languages of which one has a grammar that reads both.
_WIDER = {frozenset(("javascript", "typescript")): "typescript", frozenset(("c", "c++")): "c++"}
# PHP's grammar reads code without it as the text of a page.
_PHP_OPENING = "<?php "
# What a fragment may stand in, where the language has no normal form that says so.
_WRAPPINGS = {"c#": (("class X {\n", "\n}", "declaration_list"),)}


@dataclass(frozen=True, slots=True)
class Snippet:
    """What the style of a text is told by; `fault` is the first line that does not parse, counted from 1."""

    language: str
    variables: frozenset[str]
    apis: frozenset[str]
    tree: Tree
    fault: int | None = None


def common_language(left: str, right: str) -> str:
    """Return the language that both sides can be read in; raise UsageError where their grammars have none in common."""
    names = [_known(language).name for language in (left, right)]
    if names[0] == names[1]:
        return names[0]
    wider = _WIDER.get(frozenset(names))
    if wider is None:
        raise UsageError(
            f"{names[0]} and {names[1]} have no grammar in common: styles are compared within one language"
        )
    return wider


def read(text: str, language: str) -> Snippet:
    """Read a text or fragment; comments and layout are left out, a docstring counts as the string it is.

    Raises UsageError where the language is unknown or no programming language, where the text holds no code, and where
    it is longer than `LONGEST` characters. What does not parse is read as far as the grammar can make sense of it.
    """
    known = _known(language)
    if len(text) > LONGEST:
        raise UsageError(f"the text has more than {LONGEST:,} characters; compare a part of it")
    root = _root(_source(text, known.name), known)
    if not root.has_error and all(kid.type == "php_tag" for _, kid in kids(root)):
        raise UsageError("the text holds no code: nothing, or comments only")
    variables, apis = names(root, known.name)
    return Snippet(known.name, variables, apis, _tree(root), _fault(root))


def _known(language: str) -> Language:
    known = by_name(language)
    if known is None:
        there = ", ".join(each.name for each in LANGUAGES if not each.document)
        raise UsageError(f"no language is called {language!r}; there are {there}")
    if known.document:
        raise UsageError(f"{known.name} is no programming language: it has no variables and calls nothing")
    return known


def _grammar(language: Language) -> Grammar:
    grammar = grammar_of(language)
    if grammar is None:
        raise EnvironmentFailed(f"the grammar of {language.name} is not installed ({language.grammar})")
    return grammar


def _source(text: str, language: str) -> bytes:
    if language == "python":
        text = textwrap.dedent(text)
    if language == "php" and "<?" not in text:
        text = _PHP_OPENING + text
    return text.replace("\0", " ").encode("utf-8", "replace")


def _root(source: bytes, language: Language) -> tree_sitter.Node:
    """Return the node whose kids the text is: a fragment is read in what it may stand in, if it parses only there."""
    grammar = _grammar(language)
    root = grammar.parse(source).root_node
    form = FORMS.get(language.name)
    wrappings = form.wrappings if form is not None else _WRAPPINGS.get(language.name, ())
    for before, after, kind in wrappings if root.has_error else ():
        wrapped = grammar.parse(before.encode() + source + after.encode()).root_node
        body = next((node for node in _walk(wrapped) if node.type == kind), None)
        # A text that closes what it was put into and opens another is no fragment.
        if not wrapped.has_error and body and body.end_byte >= len(before.encode() + source.rstrip()):
            return body
    return root


def _walk(root: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(node.children))


def _tree(root: tree_sitter.Node) -> Tree:
    """Return the named nodes, by their kind and operator, in postorder."""
    labels: list[str] = []
    leftmost: list[int] = []
    # A node is met twice: on the way down, and, with where its leaves begin, on the way up.
    stack: list[tuple[tree_sitter.Node, int]] = [(root, -1)]
    while stack:
        node, first = stack.pop()
        below = [kid for _, kid in kids(node)] if first < 0 else []
        if below:
            stack.append((node, len(labels)))
            stack.extend((kid, -1) for kid in reversed(below))
        else:
            leftmost.append(len(labels) if first < 0 else first)
            labels.append(_label(node))
    # A fragment's root is as good as a file's.
    labels[-1] = ""
    return Tree(tuple(labels), tuple(leftmost))


def _label(node: tree_sitter.Node) -> str:
    operator = node.child_by_field_name("operator") or node.child_by_field_name("operators")
    return node.type if operator is None else f"{node.type} {operator.type}"


def _fault(root: tree_sitter.Node) -> int | None:
    """Return the first line that does not parse, None if all do."""
    if not root.has_error:
        return None
    broken = (node for node in _walk(root) if node.is_error or node.is_missing)
    return min((node.start_point.row + 1 for node in broken), default=1)
