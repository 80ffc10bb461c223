"""From a model's reply to the text that was asked for: code without prose round it, a sentence without decoration.

A reply is data: nothing in it is run, parsed as a program or obeyed.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from indexer.generators.interface import Request, Task

# Characters of a reply that are looked at, and of a text that is kept: a function has some 1,000.
MAX_REPLY = 262_144
MAX_CODE = 16_384
MAX_SENTENCE = 400

# The field in which a structured reply has its text.
FIELD = "text"

_FENCE = re.compile(r"[ \t>]{0,8}(`{3,}|~{3,})[ \t]*\{?\.?([\w+#.-]{0,40})")
_SAME_LANGUAGE = {"py": "python", "python3": "python", "js": "javascript", "ts": "typescript", "sh": "bash",
                  "shell": "bash", "c++": "cpp", "cs": "csharp", "c#": "csharp", "golang": "go", "rs": "rust",
                  "rb": "ruby", "kt": "kotlin"}  # fmt: skip
# What a line of prose ends with, what it never holds, and the words that it has at least.
_ENDS = ".:!?"
_CODE_MARKS = frozenset("={}[];")
_PROSE_WORDS = 3
_GREETING = re.compile(r"(?i)(?:sure|certainly|of course|okay|ok|absolutely|here you go)\b[\w ,]{0,40}[.!:,]*$")
_MARK = re.compile(r"[-*+#>\s]+|\d{1,2}[.)]\s+")
_LABEL = re.compile(r"(?i)(?:purpose|summary|sentence|answer|description)\s*:\s*")
_SENTENCE_END = re.compile(r"(?<=[^\W\d_][.!?])\s+(?=[A-Z])")
# What a text may not hold: control characters that are no white space.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass
class _Block:
    language: str
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(self.lines).strip("\n").rstrip()


def read_reply(reply: str, request: Request) -> str:
    """Return the text that a reply holds for a request, "" where it holds none."""
    said = _unwrapped(_without_thoughts(_clean(reply[:MAX_REPLY])))
    return sentence_of(said) if request.task is Task.PURPOSE else code_of(said, request.language)


def code_of(reply: str, language: str = "") -> str:
    """Return the code of a reply, at most MAX_CODE characters, whole lines.

    Of several fenced blocks it is the longest in the wanted language, or the longest of all: code in another language
    is better than none. A fence without an end ends with the reply; without fences, prose before and after goes.
    """
    blocks = [block for block in _blocks(reply) if block.text.strip()]
    wanted = [block for block in blocks if language and block.language in ("", _language(language))]
    if blocks:
        return _shortened(max(wanted or blocks, key=lambda block: len(block.text)).text)
    return _shortened(_without_prose(reply)) if not _FENCE.match(reply.lstrip()) else ""


def sentence_of(reply: str) -> str:
    """Return the first sentence of a reply, without marks of lists, quotation and emphasis; at most MAX_SENTENCE."""
    lines = [line.strip() for line in reply.split("\n") if line.strip() and not _FENCE.match(line)]
    lines = [line for line in lines if not _GREETING.fullmatch(line)] or lines
    if not lines:
        return ""
    said = lines[1] if lines[0].endswith(":") and len(lines) > 1 else lines[0]
    for decoration in (_MARK, _LABEL):
        found = decoration.match(said)
        said = said[found.end() :] if found else said
    said = _SENTENCE_END.split(" ".join(said.strip("*_`\"'“” ").split()), maxsplit=1)[0]
    return said if len(said) <= MAX_SENTENCE else said[:MAX_SENTENCE].rsplit(" ", 1)[0]


def _clean(reply: str) -> str:
    """Return a reply that UTF-8 can hold, with one kind of line end and no control characters."""
    whole = reply.encode("utf-8", "replace").decode("utf-8")
    return _CONTROL.sub("", whole.replace("\r\n", "\n").replace("\r", "\n"))


def _without_thoughts(reply: str) -> str:
    """Return what a model says after it has thought aloud; if it never ends thinking, nothing."""
    before, opened, rest = reply.partition("<think>")
    _, closed, after = (rest if opened else reply).rpartition("</think>")
    if closed:
        return after
    return before if opened else reply


def _unwrapped(reply: str) -> str:
    """Return the text of a structured reply, or the reply as it is."""
    if not reply.lstrip().startswith("{"):
        return reply
    try:
        found = json.loads(reply)
    except (ValueError, RecursionError):
        return reply
    text = found.get(FIELD) if isinstance(found, dict) else None
    return _clean(text) if isinstance(text, str) else reply


def _blocks(reply: str) -> list[_Block]:
    """Return the fenced blocks of a reply, in order."""
    blocks: list[_Block] = []
    closing = ""
    for line in reply.split("\n"):
        fence = _FENCE.match(line)
        if closing:
            if fence and fence[1].startswith(closing) and not fence[2]:
                closing = ""
            else:
                blocks[-1].lines.append(line)
        elif fence:
            closing = fence[1]
            blocks.append(_Block(_language(fence[2])))
    return blocks


def _language(name: str) -> str:
    lower = name.lower()
    return _SAME_LANGUAGE.get(lower, lower)


def _without_prose(reply: str) -> str:
    """Return a reply without the lines of prose that it begins and ends with."""
    lines = reply.split("\n")
    first, last = 0, len(lines)
    while first < last and _is_prose(lines[first]):
        first += 1
    while last > first and _is_prose(lines[last - 1]):
        last -= 1
    return "\n".join(lines[first:last]).rstrip()


def _is_prose(line: str) -> bool:
    said = line.rstrip()
    if not said or _GREETING.fullmatch(said):
        return True
    sentence = said[0].isupper() and said[-1] in _ENDS and not _CODE_MARKS & set(said)
    return sentence and len(said.split()) >= _PROSE_WORDS


def _shortened(code: str) -> str:
    """Return the whole lines that fit, or the beginning of a line that does not."""
    if len(code) <= MAX_CODE:
        return code
    head, end, _ = code[:MAX_CODE].rpartition("\n")
    return head if end and head.strip() else code[:MAX_CODE]
