"""What a text looks like: the marks that code leaves on its surface and prose does not.

No decision here: what follows from the marks is decided by the query's parser and by its class.
"""

from __future__ import annotations

import re

# Words that open a statement in one of the common languages.
_OPENERS = (
    "abstract|async|await|case|catch|class|const|def|do|elif|else|enum|export|extern|final|fn|for|foreach|func"
    "|function|if|impl|import|interface|lambda|let|match|namespace|package|private|protected|pub|public|raise"
    "|require|return|static|struct|switch|template|throw|trait|try|type|typedef|use|using|val|var|void|while"
    "|with|yield|auto|int|bool|string"
)

# Each kind of mark counts once, however often it occurs: prose that talks about "==" has one kind.
_MARKS = {
    "operator": re.compile(
        r"[=!<>]==?(?=\s|\w|$)|[-+*/%|&^:]=(?=\s|\w|$)|=>|->|&&|\|\||(?<!\b[CcGg])(?<=\w)(?:\+\+|--)(?!\w)"
        r"|[\w)\]]\s*=\s*[\w\"'\[({&*$@-]|[\w)\]]\s[+*/%<>|&^]\s[\w(]"
    ),
    "statement": re.compile(r"[{}]|;(?:\s|$)"),
    # "file(s)" is prose; "f()" is how prose names a function.
    "call": re.compile(r"\w\((?!\s*\)|e?s\))"),
    "operand": re.compile(r"\w[(\[]\s*[\"']|\s[=+%*]{1,2}=?\s+[\"']\S"),
    "suite": re.compile(r"[)\]]\s*(?::(?!:)|\{|=>|->)"),
    "index": re.compile(r"\w\[[^\]\[\s]*\]"),
    "key": re.compile(r"[\"']\s*:\s*[\"'{\[\d]"),
    "opener": re.compile(rf"\s*(?:{_OPENERS})(?=[\s({{])"),
    "tag": re.compile(r"</?[A-Za-z][\w-]*(?:\s[^<>]*)?/?>(?:\s*<|[^<>]*</|\s*$)"),
    "comment": re.compile(r"\s*(?://|/\*|#\s)|\s(?://|/\*)\s"),
    "block": re.compile(r":[ \t]*\n[ \t]+\S"),
    "chain": re.compile(r"[)\]\"']\.[A-Za-z_]\w*[(.]"),
    "comprehension": re.compile(r"[\[({][^\n]{1,60}?\sfor\s+\w+(?:,\s*\w+)*\s+in\s"),
    "pipe": re.compile(r"\s\|\s+\w|\$[({]"),
    "option": re.compile(r"\s(?:-[A-Za-z]|--[a-z][\w-]*=?\S*)(?=\s)"),
    "receiver": re.compile(r"\b(?:self|this|super)\.\w"),
}
# Marks that are looked for at the start only.
_AT_START = frozenset(("opener", "comment"))
# A first line that is a declaration and nothing else.
_DECLARATION = re.compile(
    r"\s*(?:"
    r"#\s*(?:include\s*[<\"]|define\s+\w|ifn?def\s|pragma\s)|#!/|<\?(?:php|xml)|<!DOCTYPE\s"
    r"|from\s+[\w.]+\s+import\s+[\w*(]|import\s+[\w.]+\s+as\s+\w+\s*$|import\s[^\n\"']*\sfrom\s+[\"']"
    r"|(?:import|using|package|use)\s+(?:static\s+)?[\w.:]+(?:\.\*)?;"
    r"|SELECT\s[^\n]*\sFROM\s|INSERT\s+INTO\s|CREATE\s+TABLE\s|DELETE\s+FROM\s|UPDATE\s+\w+\s+SET\s"
    r"|(?:def|fn|func|fun)\s+\w+\s*\(|(?:public|private|protected)\s+(?:static\s+)?(?:[\w<>\[\]]+\s+)?\w+\s*\("
    r"|@\w+(?:\.\w+)*\(|>>>\s|\$\s+\w"
    # A shell's command with an option: these are no words of prose, "find" needs a path.
    r"|(?:sudo\s+)?(?:awk|chmod|chown|crontab|curl|df|du|egrep|fgrep|gcc|git|grep|ls|mkdir|mv|npm|pip|ps|rm|rsync"
    r"|scp|sed|ssh|tar|wget|xargs|find\s+[.~/$]\S*)\s(?:[^\n\s]+\s+){0,2}--?[A-Za-z]"
    r")"
)


def code_marks(text: str) -> frozenset[str]:
    """Return the kinds of marks of code in a text, each once; prose has none, or one in passing."""
    found = {name for name, mark in _MARKS.items() if (mark.match if name in _AT_START else mark.search)(text)}
    if _DECLARATION.match(text):
        found.add("declaration")
    return frozenset(found)


def is_statement(marks: frozenset[str]) -> bool:
    """Tell whether the marks are those of a statement: a declaration, or two kinds together."""
    return "declaration" in marks or len(marks) >= 2
