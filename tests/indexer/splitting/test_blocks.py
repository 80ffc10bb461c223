"""Blocks: every token once, within the window, cut where statements or lines begin."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.splitting.blocks import cut_blocks
from indexer.types import Block


def starts_of(text: str) -> np.ndarray:
    return np.array([match.start() for match in re.finditer(r"\S", text)], dtype=np.int32)


def test_a_text_without_tokens_is_one_empty_block() -> None:
    assert cut_blocks(starts_of(""), "", 5, (), 4) == (Block(5, 5, 0, 0),)
    assert cut_blocks(starts_of("\n\n"), "\n\n", 5, (), 4)[0].last == 0


def test_cuts_outside_the_unit_are_harmless() -> None:
    text = "\n".join(["abcd"] * 6)
    blocks = cut_blocks(starts_of(text), text, 10, (1, 9, 10, 99), 9)
    assert [block.last for block in blocks] == [8, 16, 24]


def test_the_smallest_window_still_moves_on() -> None:
    text = "a\na\na"
    assert [block.last for block in cut_blocks(starts_of(text), text, 1, (2,), 1)] == [1, 2, 3]


def test_a_unit_that_fits_is_one_block() -> None:
    text = "ab\ncd\nef"
    assert cut_blocks(starts_of(text), text, 3, (4, 5), 6) == (Block(3, 5, 0, 6),)


def test_a_statement_is_preferred_to_a_line() -> None:
    text = "\n".join(["abcd"] * 6)
    blocks = cut_blocks(starts_of(text), text, 1, (3, 5), 12)
    assert [(block.start_line, block.end_line) for block in blocks] == [(1, 2), (3, 4), (5, 6)]


def test_a_line_longer_than_the_window_is_cut_inside() -> None:
    blocks = cut_blocks(starts_of("a" * 25), "a" * 25, 7, (), 10)
    assert [block.last - block.first for block in blocks] == [9, 8, 8]
    assert {(block.start_line, block.end_line) for block in blocks} == {(7, 7)}


@pytest.mark.parametrize("separator", ["\r", "\x0c", "\u2028", "\x0b"])
def test_only_a_line_feed_ends_a_line(separator: str) -> None:
    text = separator.join(["abcd"] * 6)
    assert {block.end_line for block in cut_blocks(starts_of(text), text, 1, (), 5)} == {1}


@given(
    text=st.text(alphabet="ab \n\r", max_size=300),
    start_line=st.integers(1, 50),
    cuts=st.lists(st.integers(0, 120), max_size=20, unique=True).map(sorted),
    window=st.integers(1, 40),
)
def test_blocks_cover_every_token_once_within_the_window(
    text: str, start_line: int, cuts: list[int], window: int
) -> None:
    starts = starts_of(text)
    blocks = cut_blocks(starts, text, start_line, cuts, window)
    assert [block.first for block in blocks] == [0, *(block.last for block in blocks[:-1])]
    assert blocks[-1].last == len(starts)
    assert all(block.last - block.first <= window for block in blocks)
    assert (len(blocks) == 1) == (len(starts) <= window)
    assert all(block.first < block.last for block in blocks) or len(starts) == 0
    lines = [start_line + text.count("\n", 0, int(start)) for start in starts]
    if len(blocks) > 1:
        spans = [(block.start_line, block.end_line) for block in blocks]
        assert spans == [(lines[block.first], lines[block.last - 1]) for block in blocks]
    # Fairly balanced: at most about twice as many blocks as are needed.
    assert len(blocks) <= 2 * -(-len(starts) // window) + 1
