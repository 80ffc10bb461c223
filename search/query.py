r"""The query language: text to a tree of what was asked, and back.

Nothing is looked up, ranked or encoded here. The language, for one line:

- free words, in the order given. `don't`, `std::vector`, `x:int`, `--verbose`, `-1` and `-x` are words.
- `"exact phrase"`: a double quote that opens a token; `\"` and `\\` inside. Case counts if the phrase has
  an upper-case letter. Single quotes are ordinary characters.
- `/regex/`, `/regex/i`: a slash that opens a token, up to the next slash, `\/` apart, which the white space
  or the end must follow. Between the two no space stands at either edge. So `/usr/bin`, `a / b` and what is
  never closed, `/foo(bar`, are words.
- `-word`, `-"phrase"`, `-/regex/`, `-lang:go`: exclusions. A word needs a letter and one more character.
- `lang: repo: path: kind: sym: ext:`, with the value directly after the colon: globs, comma lists (any of
  them), quoted values. A colon followed by a space, a second colon, "//" or a closing sign is text.
- a backslash before a token that would be one of the above makes it a word.
- within a sentence (three free words, six with all else) people quote, and name paths and options: there a phrase is a
  wish and no condition, `/tmp/` a word, `-rf` between two words a word, and a quote that is never closed a character.

A query is *literal*, all of it words whatever its quotes and slashes, if it has several lines or reads as
code (`surface.is_statement`). Fields at its start are fields even then: `lang:go` and pasted code.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from indexer.errors import QueryError
from search.filters import (
    FIELDS,
    FieldFilter,
    LanguageOf,
    canonical_values,
    known_language,
    misspelt_field,
)
from search.patterns import MAX_PATTERN, Match, Pattern, compile_phrase, compile_regex
from search.surface import code_marks, is_statement

__all__ = (
    "FIELDS",
    "MAX_QUERY",
    "FieldFilter",
    "LanguageOf",
    "Match",
    "Pattern",
    "Phrase",
    "Query",
    "Regex",
    "Word",
    "compile_phrase",
    "compile_regex",
    "parse",
    "unparse",
)

# Characters: a long source file pasted whole still fits; more is a mistake or an attack.
MAX_QUERY = 100_000
# Each condition is verified on every candidate, so their number bounds the time of a search.
_MAX_CONDITIONS = 64
# Free words, and words in all, that make a sentence.
_FREE_WORDS, _ALL_WORDS = 3, 6
# Characters of one glob or name: so many of these, in one pattern, stay within RE2's memory.
_MAX_VALUE = 200

_TOKEN = re.compile(r"\S+")
_PHRASE = re.compile(r'"((?:[^"\\]|\\.)*+)"', re.S)
_REGEX = re.compile(r"/(?![\s*/])((?:[^/\\\n]|\\.)++)(?<!(?<!\\)\s)/(i?)(?!\S)")
_FIELD = re.compile(rf"({'|'.join(FIELDS)}):(?![\s:=,;)\]}}]|//|$)")
_FIELD_LIKE = re.compile(r"([a-z]{3,12}):(?![\s:=,;)\]}]|//|$)")
_VALUE = re.compile(r'(?:"((?:[^"\\]|\\.)*+)")?([^\s,]*)', re.S)
_EXCLUDED_WORD = re.compile(r"[@#$./]?[^\W\d][\w+#.:-]")
_PLAIN = re.compile(r"[\w.-]+")
_ESCAPED = re.compile(r"\\([\"\\])")
# What does not count when a query is judged to be code or not: strings, expressions and fields.
_STRING = r'"(?:[^"\\\n]|\\.)*+"'
_SYNTAX = re.compile(
    rf"(?<![^\s(\[{{,:=]){_STRING}|(?<!\S)-?{_REGEX.pattern}"
    rf"|(?P<field>(?<!\S)-?{_FIELD.pattern}(?:{_STRING})?[^\s,]*(?:,(?:{_STRING})?[^\s,]*)*+)"
)


@dataclass(frozen=True, slots=True)
class Word:
    """A free word, as written; `position` is the 0-based offset of its token in the query."""

    text: str
    position: int = 0

    @property
    def pattern(self) -> Pattern:
        """The compiled pattern: the word as a whole, by smart case."""
        return compile_phrase(self.text)


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that must stand together, without their quotes; see `compile_phrase`."""

    text: str
    position: int = 0

    @property
    def pattern(self) -> Pattern:
        """The compiled pattern: whole words, white space flexible, smart case."""
        return compile_phrase(self.text)


@dataclass(frozen=True, slots=True)
class Regex:
    """A regular expression that must match, without its slashes; see `compile_regex`."""

    source: str
    ignore_case: bool = False
    position: int = 0

    @property
    def pattern(self) -> Pattern:
        """The compiled pattern: `^` and `$` match at the ends of lines."""
        return compile_regex(self.source, self.ignore_case, self.position)


@dataclass(frozen=True, slots=True)
class Query:
    """What was asked. Each tuple is in the order of the text."""

    text: str
    words: tuple[Word, ...] = ()
    phrases: tuple[Phrase, ...] = ()
    regexes: tuple[Regex, ...] = ()
    filters: tuple[FieldFilter, ...] = ()
    excluded_words: tuple[Word, ...] = ()
    excluded_phrases: tuple[Phrase, ...] = ()
    excluded_regexes: tuple[Regex, ...] = ()
    literal: bool = False

    @property
    def free_text(self) -> str:
        """The words and phrases in order: what the encoder sees. Pasted code keeps its lines."""
        if self.literal:
            return self.text[self.words[0].position :].rstrip()
        texts: list[Word | Phrase] = [*self.words, *self.phrases]
        return " ".join(item.text for item in sorted(texts, key=lambda item: item.position))

    @property
    def demanded(self) -> tuple[Phrase, ...]:
        """The phrases that a hit must hold: all, or, quoted within a sentence, none."""
        quoted = sum(len(phrase.text.split()) for phrase in self.phrases)
        return () if _is_sentence(len(self.words), quoted) else self.phrases

    def marked_patterns(self) -> tuple[Pattern, ...]:
        """Return the patterns of the phrases, demanded or not, and regular expressions: what is shown of a hit."""
        return _patterns(*self.phrases, *self.regexes)

    def excluded_patterns(self) -> tuple[Pattern, ...]:
        """Return the patterns of the words, phrases and expressions that a hit must not match."""
        return _patterns(*self.excluded_words, *self.excluded_phrases, *self.excluded_regexes)


Item = Word | Phrase | Regex | FieldFilter


@dataclass(frozen=True, slots=True)
class _Clause:
    """One thing that was asked, and where its text ends."""

    item: Item
    end: int
    excluded: bool = False


def parse(text: str, language_name: LanguageOf = known_language, languages: Collection[str] | None = None) -> Query:
    """Read a query. Takes time in proportion to its length.

    `language_name` gives the canonical name of a language, or None for an unknown one; `languages` are
    the names to suggest then, by default all of the language table. Raises QueryError, with the
    position, and nothing else.
    """
    _check_text(text)
    start, filters = _leading_filters(text)
    if _is_literal(text[start:]):
        clauses = [*filters, *(_word(match) for match in _TOKEN.finditer(text, start))]
        query = _gather(text, clauses)
        return replace(_resolved(query, language_name, languages), literal=bool(query.words))
    query = _gather(text, [*filters, *_with_words(text, list(_clauses(text, start)))])
    for regex in (*query.regexes, *query.excluded_regexes):
        _ = regex.pattern  # refuses one that RE2 cannot use
    return _resolved(query, language_name, languages)


def unparse(query: Query) -> str:
    """Return a text that reads as the same query, up to positions and white space."""
    if query.literal:
        # Line ends between the words make the text literal again, whatever they are.
        words = "\n".join(word.text for word in query.words)
        return " ".join([*map(_field_text, query.filters), words])
    texts = [
        *((word.position, _word_text(word.text)) for word in query.words),
        *((field.position, _field_text(field)) for field in query.filters),
        *((word.position, "-" + word.text) for word in query.excluded_words),
        *_pattern_texts((*query.phrases, *query.regexes), ""),
        *_pattern_texts((*query.excluded_phrases, *query.excluded_regexes), "-"),
    ]
    return " ".join(text for _, text in sorted(texts, key=lambda pair: pair[0]))


def _check_text(text: str) -> None:
    if not text.strip():
        raise QueryError("the query is empty; give words, code or a symbol to search for", 0)
    if len(text) > MAX_QUERY:
        message = f"the query has {len(text):,} characters; at most {MAX_QUERY:,} are read"
        raise QueryError(message, MAX_QUERY)
    surrogate = re.search("[\ud800-\udfff]", text)
    if surrogate:
        at = surrogate.start()
        raise QueryError(f"the character at column {at + 1} is half of a surrogate pair, not text", at)


def _leading_filters(text: str) -> tuple[int, list[_Clause]]:
    """Read the fields at the start; return where the rest starts, and the fields."""
    clauses: list[_Clause] = []
    at = _skip_space(text, 0)
    while (clause := _read_field(text, at)) is not None:
        clauses.append(clause)
        at = _skip_space(text, clause.end)
    return at, clauses


def _is_literal(text: str) -> bool:
    if "\n" in text.strip():
        return True
    plain = _SYNTAX.sub(lambda match: " " if match["field"] else '""', text)
    return is_statement(code_marks(plain))


def _clauses(text: str, at: int) -> Iterator[_Clause]:
    while (token := _TOKEN.search(text, at)) is not None:
        clause = _read(text, token)
        yield clause
        at = clause.end


def _is_sentence(free: int, others: int) -> bool:
    return free >= _FREE_WORDS and free + others >= _ALL_WORDS


def _with_words(text: str, clauses: list[_Clause]) -> list[_Clause]:
    """Return what a query says, in which a sentence has its paths and options as words."""
    free = [clause.item.position for clause in clauses if isinstance(clause.item, Word) and not clause.excluded]
    others = sum(_length(clause.item) for clause in clauses) - len(free)
    if not _is_sentence(len(free), others):
        return clauses
    return [
        replace(clause, item=Word(text[clause.item.position : clause.end], clause.item.position), excluded=False)
        if _is_path(clause) or (_is_option(clause) and free[0] < clause.item.position < free[-1])
        else clause
        for clause in clauses
    ]


def _length(item: Item) -> int:
    return len(item.text.split()) if isinstance(item, Phrase) else not isinstance(item, FieldFilter)


def _is_path(clause: _Clause) -> bool:
    return isinstance(clause.item, Regex) and not clause.excluded and bool(_PLAIN.fullmatch(clause.item.source))


def _is_option(clause: _Clause) -> bool:
    return isinstance(clause.item, Word) and clause.excluded


def _read(text: str, token: re.Match[str]) -> _Clause:
    at = token.start()
    if at and not text[at - 1].isspace():
        return _word(token)  # what follows a closing quote is text, never syntax
    excluded = text[at] == "-"
    body = at + excluded
    clause = _read_phrase(text, body) or _read_regex(text, body)
    if clause is not None and isinstance(clause.item, Word):
        return _Clause(Word(text[at:body] + clause.item.text, at), clause.end)
    if clause is not None:
        return replace(clause, item=replace(clause.item, position=at), excluded=excluded)
    return _read_field(text, at) or _read_word(token)


def _read_phrase(text: str, at: int) -> _Clause | None:
    if not text.startswith('"', at):
        return None
    match = _PHRASE.match(text, at)
    if match is None and len(text.split()) >= _ALL_WORDS:
        token = _TOKEN.match(text, at)
        assert token is not None
        return _word(token)
    if match is None:
        message = f'the quote at column {at + 1} is never closed; write \\" to search for the character'
        raise QueryError(message, at)
    phrase = _ESCAPED.sub(r"\1", match[1]).strip()
    if not phrase:
        return _Clause(Word('""', at), match.end())
    _check_length(phrase, "phrase", at)
    return _Clause(Phrase(phrase, at), match.end())


def _read_regex(text: str, at: int) -> _Clause | None:
    match = _REGEX.match(text, at)
    return _Clause(Regex(match[1], bool(match[2]), at), match.end()) if match else None


def _read_field(text: str, at: int) -> _Clause | None:
    negated = text.startswith("-", at)
    match = _FIELD.match(text, at + negated)
    if match is None:
        return None
    values, end = _read_values(text, match.end())
    if not values:
        raise QueryError(f"the field {match[1]!r} at column {at + 1} has no value", at)
    for value in values:
        _check_length(value, f"value of {match[1]!r}", at, _MAX_VALUE)
    return _Clause(FieldFilter(match[1], tuple(values), negated, at), end)


def _read_values(text: str, at: int) -> tuple[list[str], int]:
    values: list[str] = []
    while True:
        match = _VALUE.match(text, at)
        if match is None or (match[1] is None and text.startswith('"', at)):
            raise QueryError(f"the quote at column {at + 1} is never closed", at)
        value = _ESCAPED.sub(r"\1", match[1] or "") + match[2]
        if value.strip():
            values.append(value)
        if not text.startswith(",", match.end()):
            return values, match.end()
        at = match.end() + 1


def _read_word(token: re.Match[str]) -> _Clause:
    text, at = token[0], token.start()
    if text.startswith("\\") and _is_special(text[1:]):
        return _Clause(Word(text[1:], at), token.end())
    bare = text.removeprefix("-")
    _refuse_misspelt_field(bare, at)
    if bare != text and _EXCLUDED_WORD.match(bare):
        _check_length(bare, "excluded word", at)
        return _Clause(Word(bare, at), token.end(), excluded=True)
    return _word(token)


def _word(token: re.Match[str]) -> _Clause:
    return _Clause(Word(token[0], token.start()), token.end())


def _is_special(text: str) -> bool:
    """Tell whether a token, backslashes apart, would be more than a word."""
    bare = text.lstrip("\\")
    if bare.startswith(('"', "-", "/")):
        return True
    field = _FIELD_LIKE.match(bare)
    return field is not None and (field[1] in FIELDS or misspelt_field(field[1]) is not None)


def _refuse_misspelt_field(token: str, at: int) -> None:
    match = _FIELD_LIKE.match(token)
    meant = misspelt_field(match[1]) if match else None
    if match and meant:
        message = (
            f"unknown field {match[1]!r} at column {at + 1}; did you mean {meant!r}? The fields are"
            f" {', '.join(FIELDS)}; put a backslash in front to search for it as text"
        )
        raise QueryError(message, at)


def _check_length(text: str, what: str, at: int, most: int = MAX_PATTERN) -> None:
    if len(text) > most:
        message = f"the {what} at column {at + 1} has {len(text):,} characters; at most {most:,} are read"
        raise QueryError(message, at)


def _skip_space(text: str, at: int) -> int:
    match = _TOKEN.search(text, at)
    return match.start() if match else len(text)


def _gather(text: str, clauses: list[_Clause]) -> Query:
    conditions = 0
    for clause in clauses:
        item = clause.item
        conditions += len(item.values) if isinstance(item, FieldFilter) else _is_condition(clause)
        if conditions > _MAX_CONDITIONS:
            message = f"more than {_MAX_CONDITIONS} phrases, expressions, exclusions and values"
            raise QueryError(message, item.position)
    return Query(
        text,
        words=_items(clauses, Word),
        phrases=_items(clauses, Phrase),
        regexes=_items(clauses, Regex),
        filters=_items(clauses, FieldFilter),
        excluded_words=_items(clauses, Word, excluded=True),
        excluded_phrases=_items(clauses, Phrase, excluded=True),
        excluded_regexes=_items(clauses, Regex, excluded=True),
    )


T = TypeVar("T", Word, Phrase, Regex, FieldFilter)


def _items(clauses: list[_Clause], kind: type[T], excluded: bool = False) -> tuple[T, ...]:
    return tuple(c.item for c in clauses if isinstance(c.item, kind) and c.excluded == excluded)


def _is_condition(clause: _Clause) -> bool:
    return clause.excluded or not isinstance(clause.item, Word)


def _resolved(query: Query, language_name: LanguageOf, languages: Collection[str] | None) -> Query:
    filters = tuple(
        replace(
            field,
            values=canonical_values(field.field, field.values, field.position, language_name, languages),
        )
        for field in query.filters
    )
    return replace(query, filters=filters)


def _patterns(*items: Word | Phrase | Regex) -> tuple[Pattern, ...]:
    return tuple(item.pattern for item in items)


def _quoted(text: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def _word_text(text: str) -> str:
    return "\\" + text if _is_special(text) else text


def _pattern_texts(items: tuple[Phrase | Regex, ...], sign: str) -> list[tuple[int, str]]:
    return [(item.position, sign + _text_of(item)) for item in items]


def _text_of(item: Phrase | Regex) -> str:
    if isinstance(item, Phrase):
        return _quoted(item.text)
    return f"/{item.source}/{'i' if item.ignore_case else ''}"


def _field_text(field: FieldFilter) -> str:
    values = (_quoted(value) if re.search(r'[\s,"\\]', value) else value for value in field.values)
    return f"{'-' if field.negated else ''}{field.field}:{','.join(values)}"
