"""Texts to tokens with the characters at which they start, by a fast tokeniser. Cuts nothing, and adds nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import partial
from itertools import compress
from operator import not_

import numpy as np
from tokenizers import Encoding, Tokenizer

from indexer.encoder.interface import Ids, Tokens

# From so many texts on the shorter way is worth making.
_MANY = 128
# What normalising drops of a text in ASCII.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Tokeniser:
    """A tokeniser. Many texts in ASCII are normalised in a shorter way, to the same tokens."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._whole = tokenizer
        self._ascii: Tokenizer | None = None

    def tokenise(self, texts: Sequence[str]) -> list[Tokens]:
        """Return the tokens of texts of any length, without special ones, none dropped."""
        if len(texts) < _MANY:
            return list(map(_tokens, _encoded(self._whole, texts)))
        if self._ascii is None:
            self._ascii = _shorter(self._whole) or self._whole
        plain = [text.isascii() and not _CONTROL.search(text) for text in texts]
        short = iter(_encoded(self._ascii, list(compress(texts, plain))))
        whole = iter(_encoded(self._whole, list(compress(texts, map(not_, plain)))))
        return [_tokens(next(short if is_plain else whole)) for is_plain in plain]


def _encoded(tokenizer: Tokenizer, texts: Sequence[str]) -> list[Encoding]:
    found: list[Encoding] = tokenizer.encode_batch(list(texts), add_special_tokens=False)
    return found


def _shorter(tokenizer: Tokenizer) -> Tokenizer | None:
    """Return a tokeniser that does to ASCII what this one does, without what ASCII does not need; None if unknown.

    Of BERT's normaliser lower case is left: there are no accents, no Chinese, and control characters are not let in. It
    also makes spaces of tabs and ends of lines, which BERT's division into words takes for spaces anyway.
    """
    description = json.loads(tokenizer.to_str())
    normaliser = description.get("normalizer") or {}
    *before, last = normaliser.get("normalizers") or [normaliser]
    if last.get("type") != "BertNormalizer" or not last.get("lowercase"):
        return None
    if (description.get("pre_tokenizer") or {}).get("type") != "BertPreTokenizer":
        return None
    if any(added["normalized"] for added in description.get("added_tokens", ())):
        return None
    if any(step["type"] != "Replace" or not step["content"].isascii() for step in before):
        return None
    description["normalizer"] = {"type": "Sequence", "normalizers": [*before, {"type": "Lowercase"}]}
    return Tokenizer.from_str(json.dumps(description))


def _tokens(encoding: Encoding) -> Tokens:
    return Tokens(np.array(encoding.ids, dtype=np.int32), partial(_starts, encoding))


def _starts(encoding: Encoding) -> Ids:
    return np.array([start for start, _ in encoding.offsets], dtype=np.int32)


def framed(batch: Sequence[Ids], start: Sequence[int], end: Sequence[int]) -> Ids:
    """Return texts of one length as rows (n, length), between the special tokens that begin and end a text."""
    rows = np.empty((len(batch), len(start) + len(batch[0]) + len(end)), dtype=np.int32)
    rows[:, : len(start)] = start
    rows[:, rows.shape[1] - len(end) :] = end
    rows[:, len(start) : rows.shape[1] - len(end)] = np.stack(batch)
    return rows
