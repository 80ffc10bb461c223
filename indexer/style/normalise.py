"""One normal form of code, so that a model need not learn what people merely write differently.

Comments and docstrings go, layout and literals are canonical, local names say their role, and shapes that mean the
same become one where that is safe. What each language does is in `indexer.style.forms`; no text is compared here.
"""

from __future__ import annotations

import re

from indexer.languages import by_name
from indexer.languages.grammar import Grammar, grammar_of
from indexer.style.docstrings import without_docstrings
from indexer.style.forms import LANGUAGES
from indexer.style.forms.bindings import rename
from indexer.style.forms.form import Form
from indexer.style.forms.printer import show
from indexer.style.forms.tree import Node, build, leaves, walk

# Longer texts are data or machine-made; they come back without comments only.
_LONGEST = 200_000
_BLANKS = re.compile(r"\n(?:[ \t]*\n)+")
# How often a text is stripped or rewritten before what is left counts as settled.
_ROUNDS = 4


def normalise(text: str, language: str | None) -> str:
    """Return code in the normal form of its language; the normal form of a normal form is itself.

    A fragment (a method without its class) is read as what it is a part of. A text that does not parse, and one in a
    language without a form, comes back without comments and blank lines.
    """
    known = by_name(language) if language else None
    grammar = grammar_of(known) if known is not None and not known.document else None
    if known is None or grammar is None:
        return text
    form = LANGUAGES.get(known.name)
    if form is not None and len(text) <= _LONGEST:
        settled = _settled(text, grammar, form)
        if settled is not None:
            return settled
    return _stripped(text, known.name)


def _settled(text: str, grammar: Grammar, form: Form) -> str | None:
    """Return the form that stays as it is when it is brought into form again, None where there is none."""
    seen = text
    for _ in range(_ROUNDS):
        formed = _formed(seen, grammar, form)
        if formed is None or formed == seen:
            return formed
        seen = formed
    return None


def _formed(text: str, grammar: Grammar, form: Form) -> str | None:
    """Return a text in its form, None where it cannot be read or the form would not be read again."""
    try:
        root = _read(text, grammar, form)
        if root is None:
            return None
        functions = form.bind(root)
        root = form.rewrite(root)
        for function in functions:
            rename(leaves(function), form.names)
        return show(root, form.layout)
    except (RecursionError, LookupError, ValueError, AttributeError, AssertionError):
        # Trees of hostile texts are of any depth and shape; such a text has no form.
        return None


def _read(text: str, grammar: Grammar, form: Form) -> Node | None:
    """Return the tree of a text or fragment, None where the grammar finds an error."""
    source = text.encode("utf-8", "replace")
    if b"\0" in source:
        return None
    tree = grammar.parse(source)
    if not tree.root_node.has_error:
        return build(tree, grammar.language, source, form.atoms)
    for before, after, kind in form.wrappings:
        wrapped = before.encode() + source + after.encode()
        tree = grammar.parse(wrapped)
        if not tree.root_node.has_error:
            root = build(tree, grammar.language, wrapped, form.atoms)
            body = next((node for node in walk(root) if node.type == kind), None)
            if body is not None:
                return Node(root.type, kids=[kid for kid in body.kids if kid.text not in ("{", "}")])
    return None


def _stripped(text: str, language: str) -> str:
    for _ in range(_ROUNDS):
        stripped = without_docstrings(text, language)
        if stripped == text:
            break
        text = stripped
    lines = (line.rstrip() for line in text.replace("\r\n", "\n").split("\n"))
    return _BLANKS.sub("\n", "\n".join(lines)).strip("\n")
