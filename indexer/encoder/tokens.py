"""Texts to tokens with the characters at which they start. Cuts nothing, and adds nothing.

A tokeniser of BERT's kind never looks past the word it is in: spaces and ASCII punctuation end every word. So each
distinct word of the texts goes through it once, and is looked up afterwards: code says few words, and says them often.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, pairwise

import numpy as np
from tokenizers import Encoding, Tokenizer

from indexer.batching import batched
from indexer.encoder.interface import Ids, Tokens

# Between a small and a capital letter, between an acronym and a word, and instead of underscores.
WORD_BORDERS = r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|_+"
# Between spaces a sign of ASCII (but the underscore, which joins an identifier), or what lies between such signs.
_WORD = re.compile(r"[^ \t\n\r!-/:-@\[-^`{-~]+|[!-/:-@\[-^`{-~]")
# Words that are kept, each of at most so many characters: some 40 MB.
_KEPT = 1 << 17
_LONGEST = 64
# New words that are tokenised in one line: a line costs as much as ten words.
_AT_ONCE = 256


class Tokeniser:
    """A tokeniser. One of BERT's kind sees each distinct word once, to the same tokens; another the whole texts."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._whole = tokenizer
        added = _added(tokenizer)
        self._by_word = added is not None
        # A special token that a text spells out is found across words.
        self._spelt = re.compile("|".join(map(re.escape, added)) if added else r"(?!)")
        self._ids = _Words(tokenizer, places=False)
        self._starts = _Words(tokenizer, places=True)

    def tokenise(self, texts: Sequence[str]) -> list[Tokens]:
        """Return the tokens of texts of any length, without special ones, none dropped."""
        words = [_WORD.findall(text) if self._by_word and not self._spelt.search(text) else None for text in texts]
        self._ids.learn(chain.from_iterable(filter(None, words)))
        others = [text for text, found in zip(texts, words, strict=True) if found is None]
        whole = iter(self._whole.encode_batch(others, add_special_tokens=False))
        return [
            _tokens(next(whole)) if found is None else Tokens(_joined(self._ids.of(found)), partial(self._places, text))
            for text, found in zip(texts, words, strict=True)
        ]

    def _places(self, text: str) -> Ids:
        """Return where the tokens (tokens,) of a text start that is tokenised by words."""
        found = list(_WORD.finditer(text))
        words = [word.group() for word in found]
        self._starts.learn(words)
        within = list(self._starts.of(words))
        begins = np.array([word.start() for word in found], dtype=np.int32)
        counts = np.array(list(map(len, within)), dtype=np.int32) // begins.itemsize
        return np.repeat(begins, counts) + _joined(within)


class _Words(dict[str, bytes]):
    """What a tokeniser says of words, as 32-bit numbers: bounded, and the same for all threads."""

    def __init__(self, tokenizer: Tokenizer, *, places: bool) -> None:
        """Keep the ids of words' tokens, or the `places` in the word at which these start."""
        super().__init__()
        self._tokenizer, self._places = tokenizer, places
        self._lock = threading.Lock()

    def learn(self, words: Iterable[str]) -> None:
        """Keep what is new of these words."""
        wanted = set(words)
        new = [word for word in wanted if word not in self and len(word) <= _LONGEST][:_KEPT]
        lines = list(batched(new, _AT_ONCE))
        encoded = self._tokenizer.encode_batch(list(map(" ".join, lines)), add_special_tokens=False)
        learnt = dict(zip(new, chain.from_iterable(map(self._divided, lines, encoded)), strict=True))
        with self._lock:
            if len(self) + len(learnt) > _KEPT:
                # What is asked for next stays: alone each word would cost as much as a line.
                learnt |= {word: self[word] for word in wanted if word in self}
                self.clear()
            self.update(learnt)

    def of(self, words: Sequence[str]) -> Iterator[bytes]:
        """Return the numbers of each of these words."""
        return map(self.__getitem__, words)

    def __missing__(self, word: str) -> bytes:
        """Return the numbers of a word that is not kept."""
        return self._divided([word], self._tokenizer.encode(word, add_special_tokens=False))[0]

    def _divided(self, words: Sequence[str], encoding: Encoding) -> list[bytes]:
        """Return the numbers of each of these words out of what they are together, a space between any two."""
        starts = _starts(encoding)
        ends = np.cumsum([len(word) + 1 for word in words])
        owner = np.searchsorted(ends, starts, side="right")
        begins = np.concatenate([[0], ends])[owner]
        numbers = starts - begins if self._places else np.array(encoding.ids)
        data = numbers.astype(np.int32).tobytes()
        borders = np.cumsum(np.bincount(owner, minlength=len(words))) * np.dtype(np.int32).itemsize
        return [data[first:last] for first, last in pairwise([0, *borders.tolist()])]


def _joined(numbers: Iterable[bytes]) -> Ids:
    return np.frombuffer(b"".join(numbers), dtype=np.int32)


def _tokens(encoding: Encoding) -> Tokens:
    return Tokens(np.array(encoding.ids, dtype=np.int32), partial(_starts, encoding))


def _starts(encoding: Encoding) -> Ids:
    return np.array([start for start, _ in encoding.offsets], dtype=np.int32)


def _added(tokenizer: Tokenizer) -> list[str] | None:
    """Return what special tokens a tokeniser finds in texts; None for one that may look past a word.

    Known are BERT's normaliser and its division into words, identifiers divided before them or not.
    """
    description = json.loads(tokenizer.to_str())
    normaliser = description.get("normalizer") or {}
    *before, last = normaliser.get("normalizers") or [normaliser]
    if last.get("type") != "BertNormalizer":
        return None
    if (description.get("pre_tokenizer") or {}).get("type") != "BertPreTokenizer":
        return None
    if any(step.get("pattern") != {"Regex": WORD_BORDERS} or step.get("content") != " " for step in before):
        return None
    added = description.get("added_tokens", ())
    if any(token["normalized"] for token in added):
        return None
    return [token["content"] for token in added]


def framed(batch: Sequence[Ids], start: Sequence[int], end: Sequence[int]) -> Ids:
    """Return texts of one length as rows (n, length), between the special tokens that begin and end a text."""
    rows = np.empty((len(batch), len(start) + len(batch[0]) + len(end)), dtype=np.int32)
    rows[:, : len(start)] = start
    rows[:, rows.shape[1] - len(end) :] = end
    rows[:, len(start) : rows.shape[1] - len(end)] = np.stack(batch)
    return rows
