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
from itertools import chain, filterfalse, pairwise
from operator import itemgetter

import numpy as np
from tokenizers import Encoding, Tokenizer

from indexer.batching import batched
from indexer.encoder.interface import Ids, Tokens

# Between a small and a capital letter, between an acronym and a word, and instead of underscores.
WORD_BORDERS = r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|_+"
# Between spaces a sign of ASCII (but the underscore, which joins an identifier), or what lies between such signs.
_WORD = re.compile(r"[^ \t\n\r!-/:-@\[-^`{-~]+|[!-/:-@\[-^`{-~]")
# What each character of ASCII is, and as the last one all others: of a word only letters make one with what follows.
_BETWEEN, _SIGN, _LETTER = range(3)
_KINDS = np.array([sum(bool(_WORD.fullmatch(chr(code) * n)) for n in (1, 2)) for code in range(129)], dtype=np.int8)
# Words that are kept, each of at most so many characters: some 40 MB.
_KEPT = 1 << 17
_LONGEST = 64
# New words that are tokenised in one line: a line costs as much as ten words.
_AT_ONCE = 256
# What is kept of a word.
_IDS, _PLACES = itemgetter(0), itemgetter(1)


class Tokeniser:
    """A tokeniser. One of BERT's kind sees each distinct word once, to the same tokens; another the whole texts."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._whole = tokenizer
        added = _added(tokenizer)
        self._by_word = added is not None
        # A special token that a text spells out is found across words.
        self._spelt = re.compile("|".join(map(re.escape, added)) if added else r"(?!)")
        self._words = _Words(tokenizer)

    def tokenise(self, texts: Sequence[str]) -> list[Tokens]:
        """Return the tokens of texts of any length, without special ones, none dropped."""
        words = [_WORD.findall(text) if self._by_word and not self._spelt.search(text) else None for text in texts]
        self._words.learn(chain.from_iterable(filter(None, words)))
        others = [text for text, found in zip(texts, words, strict=True) if found is None]
        whole = iter(self._whole.encode_batch(others, add_special_tokens=False))
        return [
            _tokens(next(whole)) if found is None else Tokens(self._words.ids(found), partial(self._places, text))
            for text, found in zip(texts, words, strict=True)
        ]

    def _places(self, text: str) -> Ids:
        """Return where the tokens (tokens,) of a text start that is tokenised by words."""
        words = _WORD.findall(text)
        self._words.learn(words)
        within = list(self._words.places(words))
        return np.repeat(_begins(text), _lengths(within) // np.dtype(np.int32).itemsize) + _joined(within)


class _Words(dict[str, tuple[bytes, bytes]]):
    """The ids of words' tokens and where in them these start, as 32-bit numbers: bounded, the same for all threads."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__()
        self._tokenizer = tokenizer
        self._lock = threading.Lock()

    def learn(self, words: Iterable[str]) -> None:
        """Keep what is new of these words."""
        wanted = set(words)
        new = [word for word in filterfalse(self.__contains__, wanted) if len(word) <= _LONGEST][:_KEPT]
        if not new:
            return
        lines = list(batched(new, _AT_ONCE))
        encoded = self._tokenizer.encode_batch(list(map(" ".join, lines)), add_special_tokens=False)
        learnt = dict(zip(new, chain.from_iterable(map(self._divided, lines, encoded)), strict=True))
        with self._lock:
            if len(self) + len(learnt) > _KEPT:
                # What is asked for next stays: alone each word would cost as much as a line.
                learnt |= {word: self[word] for word in wanted if word in self}
                self.clear()
            self.update(learnt)

    def ids(self, words: Iterable[str]) -> Ids:
        """Return the ids (tokens,) of these words' tokens."""
        return _joined(map(_IDS, map(self.__getitem__, words)))

    def places(self, words: Iterable[str]) -> Iterator[bytes]:
        """Return where in each of these words its tokens start."""
        return map(_PLACES, map(self.__getitem__, words))

    def __missing__(self, word: str) -> tuple[bytes, bytes]:
        """Return the numbers of a word that is not kept."""
        return self._divided([word], self._tokenizer.encode(word, add_special_tokens=False))[0]

    def _divided(self, words: Sequence[str], encoding: Encoding) -> list[tuple[bytes, bytes]]:
        """Return the numbers of each of these words out of what they are together, a space between any two."""
        starts = _starts(encoding)
        ends = np.cumsum(_lengths(words) + 1)
        owner = np.searchsorted(ends, starts, side="right")
        begins = np.concatenate([[0], ends])[owner]
        ids = np.array(encoding.ids, dtype=np.int32).tobytes()
        places = (starts - begins).astype(np.int32).tobytes()
        borders = np.cumsum(np.bincount(owner, minlength=len(words))) * np.dtype(np.int32).itemsize
        return [(ids[first:last], places[first:last]) for first, last in pairwise([0, *borders.tolist()])]


def _begins(text: str) -> Ids:
    """Return where the words (words,) of a text begin: each sign is one, and what follows no letter."""
    kinds = _KINDS[np.minimum(np.frombuffer(text.encode("utf-32-le"), "<u4"), len(_KINDS) - 1)]
    begins = kinds != _BETWEEN
    begins[1:] &= (kinds[1:] == _SIGN) | (kinds[:-1] != _LETTER)
    return np.flatnonzero(begins).astype(np.int32)


def _lengths(texts: Sequence[str] | Sequence[bytes]) -> Ids:
    return np.fromiter(map(len, texts), np.int32, len(texts))


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
