"""Texts to tokens with the characters at which they start, by a fast tokeniser. Cuts nothing, and adds nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tokenizers import Tokenizer

from indexer.encoder.interface import Ids, Tokens


def tokenise(tokenizer: Tokenizer, texts: Sequence[str]) -> list[Tokens]:
    """Return the tokens of texts of any length, without special ones, none dropped."""
    encodings = tokenizer.encode_batch(list(texts), add_special_tokens=False)
    return [
        Tokens(
            np.array(encoding.ids, dtype=np.int32),
            np.array([start for start, _ in encoding.offsets], dtype=np.int32),
        )
        for encoding in encodings
    ]


def framed(batch: Sequence[Ids], start: Sequence[int], end: Sequence[int]) -> Ids:
    """Return texts of one length as rows (n, length), between the special tokens that begin and end a text."""
    rows = np.empty((len(batch), len(start) + len(batch[0]) + len(end)), dtype=np.int32)
    rows[:, : len(start)] = start
    rows[:, rows.shape[1] - len(end) :] = end
    rows[:, len(start) : rows.shape[1] - len(end)] = np.stack(batch)
    return rows
