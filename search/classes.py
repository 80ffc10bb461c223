"""What sort of query was asked: a symbol's name, a question in words, or pasted code.

Rules over what the text looks like; no index, no statistics and no model.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum

from search.query import Query
from search.surface import code_marks, is_statement


class QueryClass(StrEnum):
    """The class of a query; it sets the weights of the ranking."""

    SYMBOL = "symbol"
    LANGUAGE = "language"
    CODE = "code"


# A qualified name: parts joined as languages join them, with type arguments, sigils and a call.
_ARGUMENTS = r"[?!]?(?:<[\w:,. *&]*>)?"
_IDENTIFIER = re.compile(
    rf"[@$&*.#]{{0,2}}[^\W\d]\w*{_ARGUMENTS}(?:(?:\.|::|#|->|\\|/)[^\W\d]\w*{_ARGUMENTS})*(?:\(\s*\))?"
)
_SHAPE = re.compile(
    r"[^\W_]_+[^\W_]|^_+\w|\w_+$"  # snake_case, _private, class_
    r"|[a-z\d][A-Z]"  # camelCase, and PascalCase of two humps
    r"|[A-Z]{2,}[a-z]{2,}"  # HTTPServer
    r"|\w(?:\.|::|#|->|\\)[^\W\d]"  # a.b, a::b
    # a(), @a, empty?, ECONNRESET, list<int>
    r"|\(\s*\)$|^[@$]\w|\w[?!]$|^[A-Z]{6,}\d*$|<\w"
)
# Products written like qualified names, and abbreviations.
_NOT_A_NAME = re.compile(r"(?i)(?:\w+\.(?:js|net|io)|[a-z](?:\.[a-z])+\.?|and/or|\w+/\w+)")
_DEFINER = re.compile(
    "class|const|def|enum|fn|fun|func|function|impl|interface|method|module|namespace|package|record|struct"
    "|trait|type|typedef|var"
)
# Words of prose: two letters or more and nothing else, the end of a sentence apart.
_PLAIN_WORD = re.compile(r"[A-Za-z]{2,}(?:'[a-z]{1,2})?[.,?!]?")
_KEYWORD = re.compile(
    "async|await|bool|break|case|catch|class|const|continue|def|elif|else|enum|except|export|extends|[Ff]alse"
    "|final|finally|float|fn|for|func|function|if|impl|import|int|lambda|let|mut|new|nil|None|null|package|pass"
    "|private|protected|pub|public|raise|return|self|static|[Ss]tring|struct|throws?|[Tt]rue|try|val|var|void"
    "|while|yield"
)


def classify(query: Query, is_symbol: Callable[[str], bool] | None = None) -> QueryClass:
    """Return the class of a query, from its free text alone where it has any.

    `is_symbol` tells whether a single word is a name in the index: with it `retry` can be a symbol,
    without it a plain word is language. A query without free text is a symbol if it names one
    (`sym:`), code if it has a regular expression, else language.
    """
    text = query.free_text
    if not text:
        return _without_text(query)
    tokens = text.split()
    if _is_symbol(tokens) or (len(tokens) == 1 and is_symbol is not None and is_symbol(text)):
        return QueryClass.SYMBOL
    return QueryClass.CODE if _is_code(text, tokens) else QueryClass.LANGUAGE


def _without_text(query: Query) -> QueryClass:
    if any(field.field == "sym" and not field.negated for field in query.filters):
        return QueryClass.SYMBOL
    return QueryClass.CODE if query.regexes else QueryClass.LANGUAGE


def _is_symbol(tokens: list[str]) -> bool:
    if len(tokens) > 2 or not all(_IDENTIFIER.fullmatch(token) for token in tokens):
        return False
    if len(tokens) == 2 and _DEFINER.fullmatch(tokens[0]):
        return has_shape(tokens[1]) or tokens[1][0].isupper()
    return all(has_shape(token) for token in tokens)


def has_shape(token: str) -> bool:
    """Tell whether a word is written as names in code are and words of prose are not."""
    return _SHAPE.search(token) is not None and _NOT_A_NAME.fullmatch(token) is None


# How a failure is reported: the name of an error before a colon, or its trace. What follows quotes values and calls.
_FAILURE = re.compile(
    r"\s*(?:Traceback \(most recent|thread '[^'\n]*' panicked|panic: |Exception in thread"
    r"|(?:Uncaught )?[\w.:$]*(?:Error|Exception)(?:\s?\[[^\]\n]*\]|\s\([^)\n]*\))?: )"
)
# So many kinds of marks at once are code whatever its comments say.
_CERTAIN = 5


def _is_code(text: str, tokens: list[str]) -> bool:
    """Weigh the marks of code against the words of prose.

    A statement may have as many plain words as other tokens (names, comments), a single mark half
    as many: prose that mentions code has more.
    """
    if _FAILURE.match(text):
        return False
    marks = code_marks(text)
    if not marks - {"opener", "receiver", "tag"}:
        return "tag" in marks and text.startswith("<")
    prose = sum(1 for token in tokens if _PLAIN_WORD.fullmatch(token) and not _KEYWORD.fullmatch(token))
    if "declaration" in marks or len(marks) >= _CERTAIN:
        return True
    return prose * (2 if is_statement(marks) else 3) <= len(tokens)
