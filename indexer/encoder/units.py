"""A unit to blocks and back to one vector: the path that units and queries share."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from indexer.encoder.aggregate import aggregate
from indexer.encoder.interface import Encoder, Ids, Tokens, Vectors
from indexer.splitting.blocks import cut_blocks, one_block
from indexer.types import Block

# Tokens that a heading may take of a window.
HEADING_TOKENS = 24
# Parts of a path that a heading names: those nearest to the file.
_HEADING_PARTS = 3
_NOT_WORDS = re.compile(r"[\W_]+")


def heading(path: str, symbol: str) -> str:
    """Return the words that stand before a unit's text when it is encoded: its qualified name and where it lies.

    The tokeniser divides them further. A path that names no file (a corpus record's id) says nothing.
    """
    parts = path.split("/")[-_HEADING_PARTS:] if "." in path.rpartition("/")[2] else []
    return _NOT_WORDS.sub(" ", " ".join([symbol, *parts])).strip()


@dataclass(frozen=True, slots=True)
class UnitPlan:
    """A unit's blocks, the key under which each one's vector is stored, and each one's tokens."""

    blocks: tuple[Block, ...]
    keys: tuple[bytes, ...]
    token_ids: tuple[Ids, ...]


def tokenise_units(encoder: Encoder, units: Sequence[tuple[str, str, str]]) -> list[tuple[Tokens, Ids]]:
    """Return, for (path, symbol, text) of each unit, the tokens of its text and those of its heading.

    What the model wants before code comes first in the heading.
    """
    prompt = encoder.document_prompt
    texts = encoder.tokenise([text for _, _, text in units])
    headings = encoder.tokenise([prompt + heading(path, symbol) for path, symbol, _ in units])
    # A window is for the text: a heading takes a tenth of it at most.
    most = min(HEADING_TOKENS, encoder.window // 10) + (len(encoder.tokenise([prompt])[0].ids) if prompt else 0)
    return [(text, head.ids[:most]) for text, head in zip(texts, headings, strict=True)]


def plan_unit(
    encoder: Encoder, tokens: Tokens, head: Ids, text: str, start_line: int, cuts: Sequence[int], depth: int
) -> UnitPlan:
    """Cut a tokenised unit into blocks that fit the encoder's window under its heading; nothing is dropped."""
    room = encoder.window - len(head)
    if len(tokens.ids) <= room:
        blocks: tuple[Block, ...] = (one_block(text, start_line, len(tokens.ids)),)
    else:
        blocks = cut_blocks(tokens.starts, text, start_line, cuts, room)
    token_ids = tuple(np.concatenate([head, tokens.ids[block.first : block.last]]) for block in blocks)
    keys = tuple(block_key(encoder.fingerprint, depth, ids) for ids in token_ids)
    return UnitPlan(blocks, keys, token_ids)


def block_key(fingerprint: str, depth: int, ids: Ids) -> bytes:
    """Return 16 bytes that stand for these tokens encoded by this model at this depth."""
    digest = hashlib.blake2b(f"{fingerprint}:{depth}:".encode(), digest_size=16)
    digest.update(ids.astype("<i4").tobytes())
    return digest.digest()


def embed_blocks(encoder: Encoder, texts: Sequence[str], depth: int) -> list[Vectors]:
    """Return the block vectors (n, dim) of each text of any length, without headings, made as a unit's are."""
    if not texts:
        return []
    plans = [
        plan_unit(encoder, tokens, tokens.ids[:0], text, 1, (), depth).token_ids
        for tokens, text in zip(encoder.tokenise(texts), texts, strict=True)
    ]
    vectors = encoder.encode([ids for plan in plans for ids in plan], depth)
    return np.split(vectors, np.cumsum([len(plan) for plan in plans])[:-1])


def embed_texts(encoder: Encoder, texts: Sequence[str], depth: int) -> Iterator[Vectors]:
    """Yield the vector (dim,) of each text of any length without a heading, made as a unit's is."""
    return (aggregate(blocks, encoder.block_scorer) for blocks in embed_blocks(encoder, texts, depth))


def embed_text(encoder: Encoder, text: str, depth: int) -> Vectors:
    """Return the vector (dim,) of one text."""
    return next(embed_texts(encoder, [text], depth))
