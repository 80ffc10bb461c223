"""Choosing the BM25 back end: one place."""

from __future__ import annotations

from pathlib import Path

from indexer.lexical.interface import LexicalIndex, LexicalWriter


def open_lexical(folder: Path) -> LexicalIndex:
    """Open one generation's BM25 index."""
    from indexer.lexical.tantivy import TantivyIndex

    return TantivyIndex(folder)


def lexical_writer(work: Path, base: Path | None) -> LexicalWriter:
    """Start writing from an earlier generation's index, or from nothing."""
    from indexer.lexical.tantivy import TantivyWriter

    return TantivyWriter(work, base)
