"""A unit to blocks and back to one vector: the path that units and queries share."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from indexer.encoder.aggregate import aggregate
from indexer.encoder.interface import Encoder, Ids, Tokens, Vectors
from indexer.splitting.blocks import cut_blocks
from indexer.types import Block


@dataclass(frozen=True, slots=True)
class UnitPlan:
    """A unit's blocks, the key under which each one's vector is stored, and each one's tokens."""

    blocks: tuple[Block, ...]
    keys: tuple[bytes, ...]
    token_ids: tuple[Ids, ...]


def plan_unit(
    encoder: Encoder, tokens: Tokens, text: str, start_line: int, cuts: Sequence[int], depth: int
) -> UnitPlan:
    """Cut a tokenised unit into blocks that fit the encoder's window; nothing is dropped."""
    blocks = cut_blocks(tokens.starts, text, start_line, cuts, encoder.window)
    token_ids = tuple(tokens.ids[block.first : block.last] for block in blocks)
    keys = tuple(block_key(encoder.fingerprint, depth, ids) for ids in token_ids)
    return UnitPlan(blocks, keys, token_ids)


def block_key(fingerprint: str, depth: int, ids: Ids) -> bytes:
    """Return 16 bytes that stand for these tokens encoded by this model at this depth."""
    digest = hashlib.blake2b(f"{fingerprint}:{depth}:".encode(), digest_size=16)
    digest.update(ids.astype("<i4").tobytes())
    return digest.digest()


def embed_text(encoder: Encoder, text: str, depth: int) -> Vectors:
    """Return the vector (dim,) of a text of any length, made as a unit's is."""
    tokens = encoder.tokenise([text])[0]
    plan = plan_unit(encoder, tokens, text, 1, (), depth)
    return aggregate(encoder.encode(plan.token_ids, depth))
