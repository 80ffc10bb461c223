"""A docstring as somebody might have asked for the code: its first paragraph, without markup; or why it will not do.

The filters are CodeSearchNet's (Husain et al., 2019) and some of our own. No code is looked at here.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

MIN_WORDS = 3
MAX_WORDS = 256
# Above this a first paragraph is no question any more; it is cut after a sentence.
_QUERY_CHARS = 500
_ENGLISH_SHARE = 0.9
_LETTER_SHARE = 0.6

_LICENCE = re.compile(
    r"copyright|licen[cs]ed? (?:under|to|agreement|is)|spdx-|all rights reserved|redistribution|permission is hereby"
    r"|without warranty|\bGPL\b|apache licen[cs]e|mit licen[cs]e|bsd licen[cs]e",
    re.I,
)
_GENERATED = re.compile(
    r"auto-?generated|automatically generated|@generated|do not (?:edit|modify)|generated (?:code|file|source)\b"
    r"|generated (?:by|from|using|with) (?:the )?"
    r"(?:protoc|swig|cython|antlr|javacc|thrift|bison|flex|\S+\.(?:py|pl|sh|js))",
    re.I,
)
_EMPTY_TALK = re.compile(
    r"(?:\W*(?:@?see\b|see also\b|refer to\b|same as\b|cf\.|deprecated\b|@?inherit(?:ed|doc)?\b|inheritdoc"
    r"|overrid(?:e|es|den)\b|todo\b|fixme\b|xxx\b|hack\b|note:|placeholder\b"
    r"|nolint|noqa|eslint|tslint|jshint|istanbul|prettier-ignore|type: ignore|pragma\b"
    r"|rubocop|clang-format|non-javadoc|@?internal\b|undocumented|not implemented|missing documentation|nodoc|phpcs"
    r"|class:\s+\S+\s+method:|implements? (?:the )?[\w.:#]+(?: (?:interface|method|trait|protocol))?\W*$))",
    re.I,
)
# What is said of parameters, results and examples begins here, in any of the usual dialects.
_TAIL = re.compile(
    r"^\s*(?:[@\\](?!(?:brief|short|summary|desc|description|details?|fn|method|function|name|class|link|code|internal|"
    r"private|public|memberof|static|inheritdoc|see)\b)[a-zA-Z]+\b|:(?:param|parameter|arg|type|returns?|rtype|raises?|"
    r"keyword|var|ivar|cvar|meth|see)\b[^:\n]*:|(?:args|arguments|parameters?|params|returns?|yields?|raises|throws|"
    r"examples?|usage|notes?|attributes|references|see also|warnings?|inputs?|outputs?|errors|panics|safety|keyword "
    r"arguments|options|block|todo|complexity|since|requires|preconditions?)\s*:?\s*$|"
    r"(?:args|arguments|parameters?|params|returns|yields|raises|throws|examples?|usage|keyword arguments):\s"
    r"|>>>|```|~~~|\.\. [\w-]+::|#+ \w|[-*] ?(?:parameters?|returns?|throws|note|complexity|warning)\b.*:"
    r"|=+\s*$|-{3,}\s*$|\[(?:source|list|code)|={2,} )",
    re.I | re.M,
)
# GTK's and libxml's dialect: the name, with a colon, and then every parameter.
_NAME_LINE = re.compile(r"\A\s*[\w:.]+(?:\(\))?:[ ]*(?:\([^()\n]*\)[ ]*)?:?[ ]*$", re.M)
_NAMED_PARAMETERS = re.compile(r"^[ ]*@(?:\w+|\.\.\.):[^\n]*(?:\n(?![ ]*(?:@|\n|$))[^\n]*)*", re.M)
_POSTPONED = re.compile(r"\b(?:TODO|FIXME|XXX)\b.*", re.S)
_SUMMARY = re.compile(r"<summary>(.*?)(?:</summary>|\Z)", re.S | re.I)
_HEADINGS = re.compile(
    r"^\s*[@\\](?:brief|short|summary|desc|description|details?)\b[ \t]*:?[ \t]*|^\s*(?:Public|Internal|Private): ",
    re.M,
)
# Tags that stand before the words: their line says a name, not what is done.
_NAMING = re.compile(
    r"^\s*[@\\](?:fn|method|function|name|class|internal|private|public|memberof|static|inheritdoc|see)\b[^\n]*$",
    re.M | re.I,
)
_LINK = re.compile(r"\{@(?:link|linkplain|see|value|literal|code)\s+([^{}]*)\}", re.I)
_INLINE_TAG = re.compile(r"\{@?[iI]nherit[dD]oc\}|\{@[a-z]\w*\}")
_CREF = re.compile(
    r"<(?:see|seealso|paramref|typeparamref)\s+\w+\s*=\s*[\"'](?:[A-Z]:)?([^\"'<>]*)[\"']\s*/?>(?:</see(?:also)?>)?",
    re.I,
)
_BREAK = re.compile(r"<\s*/?\s*(?:p|br|para|h\d|ul|ol|dl|pre|table|div|hr|blockquote)\b[^<>]*>", re.I)
_TAG = re.compile(r"</?[a-zA-Z][\w:-]*(?:\s[^<>]*)?/?>|<!--.*?-->", re.S)
_ROLE = re.compile(r":(?:[a-zA-Z]+:)?[a-zA-Z]+:`~?!?([^`<]*?)(?:\s*<[^`]*>)?`")
_TICKS = re.compile(r"(`+)([^`\n]+)\1_{0,2}")
_MARKDOWN = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*(?:\s+\"[^\"]*\")?\)|\[([^\[\]]+)\]\[[^\[\]]*\]")
_BRACKETS = re.compile(r"\[{1,2}([\w.#:$?!<>()|&, -]*?)\]{1,2}(?!\()")
_ADDRESS = re.compile(r"<?(?:https?|ftp)://[^\s<>)]+>?|\bwww\.[^\s]+")
_EMPHASIS = re.compile(r"(?<![\w*])(\*{1,3})(?=\S)([^*\n]+?)(?<=\S)\1(?![\w*])")
_UNDERLINED = re.compile(r"(?<!\w)_(?=[^\s_])([^_\n]+)(?<=\S)_(?!\w)")
_PLUSES = re.compile(r"(?<![\w+])\+([\w.:#?!=-]+)\+(?![\w+])")
_DOXYGEN = re.compile(r"[\\@](?:c|p|a|e|em|b|ref|link|endlink|code|endcode|param|returns?)\b(?:\[\w+(?:,\w+)*\])?\s?")
# Where markup that says nothing here, or an address, left a hole.
_HOLE = re.compile(
    r"\b(?:the|an)(?:[.,;:)]|\s+(?:that|is|and|or|to|for|with|so|of|in|was|has|will)\b)|\bof(?:[.,;:)](?:\s|$)|$)", re.I
)
_RULE = re.compile(r"^[\W_]+$", re.M)
_WORD = re.compile(r"[A-Za-z][A-Za-z'-]*")
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z(\"'`])")
_ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|etc|vs|cf|resp|approx|incl|Dr|Mr|No|St)\.|\b[A-Z]\.)$")
_CODE_LINE = re.compile(
    r"[{};]\s*$|^\s*(?:if|for|while|return|var|let|const|int|void|def|func|fn|else|end)\b[^.]*[=({;]", re.M
)


@dataclass(frozen=True, slots=True)
class Query:
    """What a docstring asks for; `refusal` says why it will not do, and is empty where it will."""

    text: str
    refusal: str = ""


def query_of(docstring: str) -> Query:
    """Return the words of a docstring's first paragraph, cleaned of markup."""
    if _LICENCE.search(docstring):
        return Query("", "a licence")
    if _GENERATED.search(docstring):
        return Query("", "generated")
    text = _paragraph(docstring)
    if _EMPTY_TALK.match(text):
        return Query(text, "says nothing of its own")
    return Query(text, _refusal(text))


def _refusal(text: str) -> str:
    words = _WORD.findall(text)
    if min(len(words), len(text.split())) < MIN_WORDS:
        return "documentation too short"
    if len(words) > MAX_WORDS:
        return "documentation too long"
    ascii_only = sum(character < "\x7f" for character in text)
    letters = sum(character.isalpha() or character == " " for character in text)
    if ascii_only < _ENGLISH_SHARE * len(text) or letters < _LETTER_SHARE * len(text):
        return "documentation not English"
    if len(set(map(str.lower, words))) < MIN_WORDS or len(_CODE_LINE.findall(text)) > 0:
        return "documentation is code"
    return "documentation has holes" if _HOLE.search(text) else ""


def _paragraph(docstring: str) -> str:
    """Return the first paragraph that has words, on one line."""
    text = docstring.replace("\r", "").replace("\t", " ")
    summary = _SUMMARY.search(text)
    text = summary[1] if summary else text
    text = _HEADINGS.sub("", _NAMING.sub("", _RULE.sub("", text)))
    text = _NAMED_PARAMETERS.sub("\n", _NAME_LINE.sub("", text))
    text = _BREAK.sub("\n\n", _LINK.sub(_linked, text))
    tail = _TAIL.search(text)
    text = text[: tail.start()] if tail else text
    for paragraph in re.split(r"\n\s*\n", text):
        cleaned = _plain(paragraph)
        cleaned = cleaned if _EMPTY_TALK.match(cleaned) else _POSTPONED.sub("", cleaned).strip()
        if _WORD.search(cleaned):
            return _first_sentences(cleaned)
    return ""


def _linked(match: re.Match[str]) -> str:
    target, _, label = match[1].strip().partition(" ")
    return (label or target).lstrip("#").replace("#", ".")


def _plain(text: str) -> str:
    text = _CREF.sub(lambda match: match[1].rpartition("(")[0] or match[1], text)
    text = _INLINE_TAG.sub(" ", _TAG.sub(" ", text))
    text = html.unescape(html.unescape(text)) if "&" in text else text
    text = _ADDRESS.sub(" ", _MARKDOWN.sub(lambda match: match[1] or match[2] or "", text))
    text = _TICKS.sub(r"\2", _ROLE.sub(r"\1", text))
    text = _BRACKETS.sub(r"\1", text)
    text = _UNDERLINED.sub(r"\1", _EMPHASIS.sub(r"\2", _DOXYGEN.sub("", text)))
    text = _PLUSES.sub(r"\1", text)
    text = text.replace("`", "").replace("\ufffd", " ")
    text = re.sub(r"([-=*#~_/+<>])\1{2,}", " ", text)
    return re.sub(r"\s+([,;:.!?)])(?=\s|$)", r"\1", " ".join(text.split())).strip(" *#/-=~|\\><")


def _first_sentences(text: str) -> str:
    """Return as many whole sentences as fit, at least one."""
    if len(text) <= _QUERY_CHARS:
        return text
    end = 0
    for match in _SENTENCE.finditer(text):
        if _ABBREVIATION.search(text, 0, match.start()):
            continue
        if match.start() > _QUERY_CHARS and end:
            break
        end = match.start()
        if end > _QUERY_CHARS:
            break
    return text[:end] if end else text
