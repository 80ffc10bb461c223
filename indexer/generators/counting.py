"""How many tokens of a language model a text has, about. No model's own tokeniser is here."""

from __future__ import annotations

import re

# A match is about one token of a language model's BPE. Against cl100k_base, on 4,235 pieces of 18 languages in contexts
# of ten, it says 21 % too many in the median, at worst (1 %) 1 % too few or 39 % too many.
_TOKEN = re.compile(r"[A-Z]{2,6}(?![a-z])|[A-Za-z][a-z]{0,5}|\d{1,2}|\n\s{0,15}|\s{2,16}|[!-/:-@\[-`{-~]{1,2}|[^\s!-~]")


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a language model sees, rather too many than too few.

    A token is up to six letters of one word (words end where case changes), two digits, two marks, or a run of white
    space longer than one blank, up to sixteen characters; a character beyond ASCII is two.
    """
    return len(_TOKEN.findall(text)) + (0 if text.isascii() else sum(not each.isascii() for each in text))
