"""Grammars and the queries that name units, loaded at first use and kept.

No tree is walked here.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cache
from importlib import resources

import tree_sitter

from indexer.languages.table import Language


@dataclass(frozen=True, slots=True)
class Grammar:
    """A loaded grammar: its tree-sitter language and the query that names units."""

    language: tree_sitter.Language
    query: tree_sitter.Query

    def parse(self, source: bytes) -> tree_sitter.Tree:
        """Parse UTF-8 source; the tree is whole even where the syntax is wrong.

        It may end one line end behind the source: Kotlin's scanner (1.1) never comes back from an annotation that
        ends the text.
        """
        ended = source if source.endswith(b"\n") else source + b"\n"
        return tree_sitter.Parser(self.language).parse(ended)


@cache
def grammar_of(language: Language) -> Grammar | None:
    """Return a language's grammar, or None where its wheel is not installed."""
    try:
        module = importlib.import_module(language.grammar)
    except ImportError:
        return None
    loaded = tree_sitter.Language(getattr(module, language.factory)())
    return Grammar(loaded, tree_sitter.Query(loaded, _query_text(language.name)))


def _query_text(name: str) -> str:
    folder = resources.files("indexer.languages") / "queries"
    return (folder / f"{name}.scm").read_text("utf-8")
