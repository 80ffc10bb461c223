"""Printing a tree: one line a statement, one space between words, none where code usually has none.

Nothing is changed or renamed here.
"""

from __future__ import annotations

from dataclasses import dataclass

from indexer.style.forms.tree import Node

_INDENT = "    "
_NO_SPACE_BEFORE = frozenset({",", ";", ")", "]", "."})
_NO_SPACE_AFTER = frozenset({"(", "[", ".", "@"})
# Two operators side by side that can be read in only one way.
_APART = frozenset({"**", "!!", "!*", "*&", "!&", "!-", "-*", "&*", "!~", "::", "*>", "&>"})
_OPERATORS = frozenset("+-*/%&|^<>=!~?:.")
_ANGLES = frozenset({"<", ">"})
_OPENING = frozenset({"{", "("})
_BRACES = frozenset({"{"})
_CLOSING = frozenset({"}", ")"})
_TIGHT = frozenset({"->", "::", "?.", ".", "=", "/", "<", ">", "</", "/>", "**", "*"})
# Lists of parameters that do not follow a name.
_APART_FIELDS = frozenset({"receiver", "result"})
_OPENS_CALL = frozenset("([")


@dataclass(frozen=True, slots=True)
class Layout:
    """How a language is printed: kinds of nodes, and what each does with its kids.

    `lists` put each kid on a line of its own (between braces where it has some); `bracketed` do so only if they have
    brackets, `braced` after a head; `cases` begin new lines after their colon; `raw` are printed as their leaves side
    by side, `exact` with nothing between their kids; `glued` hold a bracket that follows a name at once; `unary` hold
    an operator that stands at its operand; `angles` hold `<` and `>` that are brackets; `tight` hold signs (`->`, `::`)
    without spaces; `spaced` hold a colon with a space before it; `ends` are statements that a semicolon must follow,
    `closed` need it where they stand alone; `directives` have lines of their own; `indented` is True where blocks have
    no braces.
    """

    lists: frozenset[str]
    bracketed: frozenset[str] = frozenset()
    braced: frozenset[str] = frozenset()
    cases: frozenset[str] = frozenset()
    raw: frozenset[str] = frozenset()
    exact: frozenset[str] = frozenset()
    glued: frozenset[str] = frozenset()
    unary: frozenset[str] = frozenset()
    angles: frozenset[str] = frozenset()
    tight: frozenset[str] = frozenset()
    spaced: frozenset[str] = frozenset()
    ends: frozenset[str] = frozenset()
    closed: frozenset[str] = frozenset()
    directives: frozenset[str] = frozenset()
    indented: bool = False


def show(root: Node, layout: Layout) -> str:
    """Return a tree as text; every line but the last ends with a line break."""
    printer = _Printer(layout)
    printer.node(root)
    printer.end_line()
    return "\n".join(printer.lines)


class _Printer:
    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.lines: list[str] = []
        self.line: list[str] = []
        self.depth = 0
        # The last word printed in this line, and whether nothing may stand between it and the next.
        self.last = ""
        self.glue = False
        # Whether the next word must follow at once, since a space would be text.
        self.exact = False

    def end_line(self) -> None:
        if self.line:
            self.lines.append(_INDENT * self.depth + "".join(self.line))
            self.line = []
        self.last, self.glue = "", False

    def word(self, text: str, before: bool = False, after: bool = False) -> None:
        """Print a word; `before` and `after` say where no space is wanted."""
        if not text:
            return
        if self.line and not (self._joined(text, before)):
            self.line.append(" ")
        self.line.append(text)
        self.last, self.glue, self.exact = text, after or text in _NO_SPACE_AFTER, False

    def _joined(self, text: str, before: bool) -> bool:
        if not (before or self.glue or text in _NO_SPACE_BEFORE):
            return False
        if self.exact:
            return True
        end, start = self.last[-1], text[0]
        if start in _OPERATORS and end in _OPERATORS:
            return end + start in _APART or text in ("...", "?.") or self.last == "?"
        if start == "." and self.last[0].isdigit():
            return False
        wordy = (start.isalnum() or start in "_$\"'`") and (end.isalnum() or end in "_$\"'`")
        return not wordy

    def node(self, node: Node) -> None:
        layout, kind = self.layout, node.type
        if not node.kids:
            self.leaf(node)
        elif kind in layout.lists or kind in layout.braced or (kind in layout.bracketed and _opening(node) >= 0):
            self.statements(node)
        elif kind in layout.cases:
            self.case(node)
        elif kind in layout.raw:
            self.raw(node)
        elif kind in layout.exact:
            for place, kid in enumerate(node.kids):
                self.glue = self.exact = place > 0
                self.node(kid)
        elif kind in layout.directives:
            self.directive(node)
        else:
            self.inline(node)

    def leaf(self, node: Node) -> None:
        if node.type == "preproc_directive":
            self.end_line()
        self.word(node.text if node.named else node.text.strip())

    def inline(self, node: Node) -> None:
        layout, kids = self.layout, node.kids
        kind = node.type
        last = len(kids) - 1
        for place, kid in enumerate(kids):
            if kid.kids or kid.named:
                self.node(kid)
                continue
            text = kid.text
            if text in _OPENS_CALL:
                follows = kind in layout.glued and node.field not in _APART_FIELDS
                self.word(text, before=follows and (self.last[-1:].isalnum() or self.last[-1:] in "_$)]>\"'"))
            elif kind in layout.unary:
                self.word(text, before=place == last and place > 0, after=place == 0 or place < last)
            elif text in _ANGLES and kind in layout.angles:
                self.word(text, before=True, after=text == "<")
            elif kind in layout.tight and text in _TIGHT:
                self.word(text, before=place > 0, after=True)
            elif text == ":":
                self.word(
                    text, before=kind not in layout.spaced and (place > 0 or kind != "slice"), after=kind == "slice"
                )
            elif text == "?.":
                self.word(text, before=True, after=True)
            elif text == "...":
                self.word(text, after=True)
            elif text in ("?", "!") and kind in layout.tight:
                self.word(text, before=True)
            elif text in ("\n", "\r\n"):
                self.end_line()
            elif text == "{":
                self.word(text, before=kind == "literal_value", after=True)
            elif text == "}":
                self.word(text, before=True)
            else:
                self.word(text)
        if kind in layout.ends and node.field != "initializer" and kids[-1].text != ";":
            self.word(";")
        elif kind == "decorator" and layout.indented:
            self.end_line()

    def raw(self, node: Node) -> None:
        self.word("".join(_raw_parts(node, self.layout)))

    def directive(self, node: Node) -> None:
        """Print a directive of C's preprocessor: it has lines of its own, without indentation inside."""
        self.end_line()
        for kid in node.kids:
            if kid.text in ("\n", "\r\n") or kid.text.startswith("#"):
                self.end_line()
                self.word(kid.text.strip().replace("# ", "#"))
            elif kid.type in ("preproc_arg", "preproc_else", "preproc_elif", "preproc_elifdef") or not kid.kids:
                if kid.type == "preproc_params":
                    self.word("".join(kid.text.split()), before=True)
                elif kid.kids:
                    self.node(kid)
                else:
                    self.word(" ".join(kid.text.replace("\\\n", " ").strip().split("\n")))
            elif kid.type == "preproc_params":
                self.word("".join(_raw_parts(kid, self.layout)), before=True)
            elif kid.field in ("condition", "name", "path", "value", "parameters"):
                self.node(kid)
            else:
                self.end_line()
                self.node(kid)
                if kid.type in self.layout.closed:
                    self.word(";")
                self.end_line()
        self.end_line()

    def statements(self, node: Node) -> None:
        """Print kids on lines of their own, between the brackets if there are any; what is before them is a head."""
        opening = _opening(node, _BRACES if node.type in self.layout.braced else _OPENING)
        if opening >= 0:
            self.inline(Node(node.type + "_head", kids=node.kids[:opening]))
            self.word(node.kids[opening].text, before=node.kids[opening].text == "[")
            if node.kids[opening + 1].text in _CLOSING:
                self.word(node.kids[opening + 1].text, before=True)
                return
        nested = opening >= 0 or (self.layout.indented and node.type == "block")
        if nested or self.line:
            self.end_line()
        self.depth += nested
        for place in range(opening + 1, len(node.kids)):
            kid = node.kids[place]
            if not kid.named and kid.text in _CLOSING and opening >= 0:
                self.depth -= 1
                self.word(kid.text)
                self.inline(Node(node.type + "_tail", kids=node.kids[place + 1 :]))
                return
            if kid.named or kid.text not in ";\r\n":
                self.node(kid)
                if kid.type in self.layout.closed:
                    self.word(";")
                if place + 1 == len(node.kids) or node.kids[place + 1].text != ",":
                    self.end_line()
        self.depth -= nested

    def case(self, node: Node) -> None:
        opened = False
        for kid in node.kids:
            if not opened:
                if kid.text == ":" and not kid.named:
                    self.word(":", before=True)
                    self.end_line()
                    self.depth += 1
                    opened = True
                else:
                    self.node(kid)
            elif kid.named or kid.text not in ";\n":
                self.node(kid)
                self.end_line()
        if opened:
            self.depth -= 1


def _opening(node: Node, brackets: frozenset[str] = _OPENING) -> int:
    """Return the place of the bracket that opens a list of lines, -1 where there is none."""
    return next((place for place, kid in enumerate(node.kids) if not kid.named and kid.text in brackets), -1)


def _raw_parts(node: Node, layout: Layout) -> list[str]:
    """Return the parts of a string with interpolations: texts as they are, code printed."""
    parts: list[str] = []
    for kid in node.kids:
        if not kid.kids:
            parts.append(kid.text)
        elif kid.type in layout.raw:
            parts += _raw_parts(kid, layout)
        else:
            # Code in a string stays in one line.
            shown = " ".join(line.strip() for line in show(kid, layout).split("\n"))
            parts.append(" " + shown if parts and parts[-1].endswith("{") and shown.startswith("{") else shown)
    return parts
