"""In which language of people a query is written, where that is not English: names in code, and the model, are English.

By py3langid, after langid.py (Lui and Baldwin 2012). Nothing is translated here: a generator does that.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from indexer.lexical.tokens import words

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

# What short English queries are taken for as well: a language made of English.
_ENGLISH = ("en", "pcm")
# English is out of the question below this share; a language is named from the second one on.
_NOT_ENGLISH = 0.1
_NAMED = 0.3
# Fewer words in plain letters may be of any language, or names.
_FEWEST_WORDS = 4
# Of a query's terms, this share must be said by no unit: what the index says is not looked at any closer.
_UNKNOWN = 1 / 3
_NAMES: Mapping[str, str] = {
    "ar": "Arabic",
    "bn": "Bengali",
    "cs": "Czech",
    "da": "Danish",
    "de": "German",
    "el": "Greek",
    "es": "Spanish",
    "fa": "Persian",
    "fi": "Finnish",
    "fr": "French",
    "he": "Hebrew",
    "hi": "Hindi",
    "hu": "Hungarian",
    "id": "Indonesian",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "nl": "Dutch",
    "no": "Norwegian",
    "pl": "Polish",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "sv": "Swedish",
    "th": "Thai",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "vi": "Vietnamese",
    "zh": "Chinese",
}
OTHER = "another language than English"


def other_language(text: str, counts: Mapping[str, int]) -> str:
    """Return the name of the language of a query, "" where it is English or that is not clear.

    `counts` tells in how many units each of its terms occurs: a query whose words are known here is taken as it is.
    """
    unknown = sum(not count for count in counts.values())
    if not unknown or unknown < _UNKNOWN * len(counts):
        return ""
    said = [word for word in words(text) if not word.isdecimal()]
    joined = " ".join(said)
    if not said or (joined.isascii() and len(said) < _FEWEST_WORDS):
        return ""
    shares = {name: float(share) for name, share in _identifier().rank(joined)}
    if sum(shares.get(name, 0.0) for name in _ENGLISH) > _NOT_ENGLISH:
        return ""
    likeliest = max(shares, key=lambda name: shares[name])
    return _NAMES.get(likeliest, OTHER) if shares[likeliest] >= _NAMED else OTHER


@cache
def _identifier() -> LanguageIdentifier:
    """Load the model, which takes a third of a second: most queries never need it."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
