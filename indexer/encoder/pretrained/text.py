"""A pretrained model's own tokeniser, with the special tokens that it puts round a text. No weights here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tokenizers import Tokenizer

from indexer.encoder.interface import Ids, Tokens
from indexer.encoder.tokens import Tokeniser, framed
from indexer.errors import UsageError

# Of an endless window so much is used: attention grows with its square, and a hit shows its best block.
_MOST = 2_048
# Any text of one word shows what is put round a text.
_WORD = "a"


class TextInput:
    """Texts to rows of ids. `window` is how many tokens of a text a row has room for."""

    def __init__(
        self, tokenizer: Any, longest: int | None, start: Sequence[int] | None = None, end: Sequence[int] = ()
    ) -> None:
        """Take a tokeniser and how many tokens its model takes at most, if that is known.

        The special tokens are the tokeniser's own, unless they are given. Raises UsageError for a tokeniser that does
        not know where in a text its tokens begin.
        """
        plain = _plain(tokenizer)
        self._tokeniser = Tokeniser(plain)
        self.start, self.end = _round(tokenizer, plain) if start is None else (tuple(start), tuple(end))
        self.window = min(_MOST, longest or _MOST) - len(self.start) - len(self.end)

    def tokenise(self, texts: Sequence[str]) -> list[Tokens]:
        """Return the tokens of texts of any length, none dropped."""
        return self._tokeniser.tokenise(texts)

    def rows(self, batch: Sequence[Ids]) -> Ids:
        """Return texts of one length as rows (n, length), special tokens round them."""
        return framed(batch, self.start, self.end)

    def check_prompts(self, *prompts: str) -> None:
        """Raise UsageError for a prompt that leaves less than half of the window to a text."""
        for prompt, tokens in zip(prompts, self.tokenise(prompts), strict=True):
            if len(tokens.ids) > self.window // 2:
                raise UsageError(f"the model's prompt {prompt[:40]!r} takes {len(tokens.ids)} of {self.window} tokens")


def _plain(tokenizer: Any) -> Tokenizer:
    """Return a copy of what tokenises, which cuts and pads nothing."""
    fast = tokenizer if isinstance(tokenizer, Tokenizer) else getattr(tokenizer, "backend_tokenizer", None)
    if not isinstance(fast, Tokenizer):
        kind = type(tokenizer).__name__
        raise UsageError(f"the model's tokeniser ({kind}) does not say where its tokens begin; it needs a fast one")
    copy = Tokenizer.from_str(fast.to_str())
    copy.no_truncation()
    copy.no_padding()
    return copy


def _round(tokenizer: Any, plain: Tokenizer) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the special tokens before and after a text; a static model has none."""
    if isinstance(tokenizer, Tokenizer):
        return (), ()
    bare = plain.encode(_WORD, add_special_tokens=False).ids
    whole = list(tokenizer(_WORD)["input_ids"])
    for place in range(len(whole) - len(bare) + 1):
        if whole[place : place + len(bare)] == bare:
            return tuple(whole[:place]), tuple(whole[place + len(bare) :])
    raise UsageError(f"the model's tokeniser ({type(tokenizer).__name__}) changes a text that it puts marks round")
