"""Shapes that mean the same in every language, brought into one: branches, loops, early returns, parentheses.

How a language writes a branch or a loop is said by what builds on this; nothing is bound or printed here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from types import MappingProxyType

from indexer.style.forms.bindings import Binding
from indexer.style.forms.tree import Node, token, walk

Handler = Callable[["Shapes", Node], Node]


class If:
    """A branch: its condition, what is done where it holds, and where it does not (None: nothing)."""

    __slots__ = ("condition", "other", "then")

    def __init__(self, condition: Node, then: list[Node], other: list[Node] | None) -> None:
        self.condition = condition
        self.then = then
        self.other = other


class Shapes(ABC):
    """Rewrites a tree from its leaves up; a method `_<kind>` says what becomes of a kind of node."""

    # Lists of statements, and what ends one for certain.
    lists: frozenset[str] = frozenset()
    leaving: frozenset[str] = frozenset({"return_statement", "break_statement", "continue_statement"})
    loops: frozenset[str] = frozenset({"for_statement", "while_statement"})
    functions: frozenset[str] = frozenset()
    guarded: frozenset[str] = frozenset({"try_statement"})
    # Parentheses: expressions that never need them, those that always keep them, and places where none need them.
    primary: frozenset[str] = frozenset()
    closed: frozenset[str] = frozenset()
    open_places: frozenset[str] = frozenset()
    syntactic: frozenset[str] = frozenset()
    binary: frozenset[str] = frozenset({"binary_expression"})
    unary: frozenset[str] = frozenset({"unary_expression"})
    strength: Mapping[str, int] = MappingProxyType({})
    # Whether a comma before the closing bracket says nothing.
    commas: frozenset[str] = frozenset()
    negation = "!"

    def __init__(self, root: Node) -> None:
        self.handlers = _handlers(type(self))
        # The functions and guarded statements around, innermost last.
        self.around: list[Node] = []
        # The node whose list of statements is being brought into form.
        self.owner = root
        self.root = self.visit(root)

    def visit(self, node: Node) -> Node:
        """Return what becomes of a node, in its own field."""
        kind, field = node.type, node.field
        if node.kids:
            tracked = kind in self.functions or kind in self.guarded
            if tracked:
                self.around.append(node)
            node.kids = [self.visit(kid) for kid in node.kids]
            self.tidy(node)
            if kind in self.lists:
                self.owner = node
                node.kids = self.list_of(node.kids)
            if tracked:
                self.around.pop()
        handler = self.handlers.get(kind)
        if handler is not None:
            node = handler(self, node)
            node.field = field
        return node

    # Parentheses and commas

    def tidy(self, node: Node) -> None:
        """Drop parentheses and commas that say nothing."""
        kids = node.kids
        for place, kid in enumerate(kids):
            if kid.type == "parenthesized_expression" and len(kid.kids) == 3 and node.type not in self.syntactic:
                inner = kid.kids[1]
                if self.needless(node, kid, inner, place):
                    kids[place] = inner.placed(kid.field)
        if len(kids) > 2 and node.type in self.commas and kids[-2].text == "," and kids[-3].text not in (",", "["):
            del kids[-2]

    def needless(self, parent: Node, node: Node, inner: Node, place: int) -> bool:
        """Return whether parentheses round an expression can go."""
        kind = parent.type
        if inner.type == "parenthesized_expression":
            return True
        if inner.type in self.closed:
            return False
        if kind in self.open_places:
            return True
        if inner.type in self.primary:
            return True
        if kind in self.binary:
            if inner.type in self.unary:
                return True
            if inner.type in self.binary:
                mine, its = self.strength_of(parent), self.strength_of(inner)
                return bool(mine and its) and (its > mine or (its == mine and place == 0))
        return False

    def strength_of(self, node: Node) -> int:
        """Return how tightly an operator binds, 0 where that is not known."""
        operator = node.get("operator")
        return self.strength.get(operator.text, 0) if operator is not None else 0

    def wrapped(self, node: Node) -> Node:
        """Return an expression so that any operator can stand beside it."""
        if node.type in self.primary or node.type == "parenthesized_expression":
            return node
        return Node("parenthesized_expression", kids=[token("("), node.placed(None), token(")")])

    # What a language says

    @abstractmethod
    def view_if(self, node: Node) -> If | None:
        """Return a branch that the steps below can work with."""

    @abstractmethod
    def make_if(self, branch: If) -> Node:
        """Return a branch as a statement."""

    @abstractmethod
    def body_of(self, node: Node) -> list[Node] | None:
        """Return the statements of a loop or function; None where it has no list of them."""

    @abstractmethod
    def put_body(self, node: Node, statements: list[Node]) -> None:
        """Replace the statements of a loop or function."""

    @abstractmethod
    def negated(self, condition: Node) -> Node:
        """Return the opposite of a condition."""

    @abstractmethod
    def both(self, left: Node, right: Node) -> Node:
        """Return the condition that two conditions hold."""

    @abstractmethod
    def is_infinite(self, node: Node) -> bool:
        """Return whether a loop has no condition."""

    @abstractmethod
    def make_while(self, condition: Node, body: list[Node]) -> Node:
        """Return a loop with a condition."""

    @abstractmethod
    def declares(self, node: Node) -> bool:
        """Return whether a statement declares a name that must not leave its block."""

    @abstractmethod
    def is_bare(self, node: Node, kind: str) -> bool:
        """Return whether a statement is a `return`, `continue` or `break` that says nothing else."""

    @abstractmethod
    def split(self, node: Node) -> list[Node]:
        """Return a statement, a returned choice as a branch and two returns."""

    @abstractmethod
    def is_negation(self, condition: Node) -> bool:
        """Return whether a condition begins with `not`."""

    @abstractmethod
    def joined(self, before: list[Node], node: Node) -> bool:
        """Join a statement with what stands before it, where they are one; return whether it is gone."""

    # Lists of statements

    def list_of(self, kids: list[Node]) -> list[Node]:
        """Return a list of statements in its form."""
        done: list[Node] = []
        waiting = list(reversed(kids))
        while waiting:
            node = waiting.pop()
            if not node.named:
                done.append(node)
                continue
            split = self.split(node)
            if len(split) > 1:
                waiting.extend(reversed(split))
                continue
            node = split[0]
            branch = self.view_if(node) if node.type == "if_statement" else None
            if branch is not None:
                node, rest = self.branch(branch, node)
                waiting.extend(reversed(rest))
                if rest:
                    waiting.append(node)
                    continue
            if node.type in self.loops:
                node = self.loop(node)
            if not self.joined(done, node):
                done.append(node)
        while self.swap_returns(done):
            pass
        return done

    def branch(self, branch: If, node: Node) -> tuple[Node, list[Node]]:
        """Return a branch in its form, and what follows it instead of being its other side."""
        changed = False
        if branch.other is not None and not branch.other:
            branch.other, changed = None, True
        if branch.other is not None and self.leaves(branch.then) and not any(map(self.declares, branch.other)):
            rest, branch.other = branch.other, None
            return self.make_if(branch), rest
        if branch.other is not None and self.is_negation(branch.condition) and not self.chained(branch.other):
            branch.condition = self.negated(branch.condition)
            branch.then, branch.other, changed = branch.other, branch.then, True
        if branch.other is None and len(branch.then) == 1 and branch.then[0].type == "if_statement":
            inner = self.view_if(branch.then[0])
            if inner is not None and inner.other is None:
                branch.condition = self.both(branch.condition, inner.condition)
                branch.then, changed = inner.then, True
        return (self.make_if(branch) if changed else node), []

    def chained(self, other: list[Node]) -> bool:
        """Return whether the other side is a branch itself."""
        return len(other) == 1 and other[0].type == "if_statement"

    def leaves(self, statements: list[Node]) -> bool:
        """Return whether nothing after these statements is reached from them."""
        return bool(statements) and statements[-1].type in self.leaving

    def loop(self, node: Node) -> Node:
        """Return a loop in its form: an endless one that begins by leaving has a condition."""
        body = self.body_of(node)
        if body is None:
            return node
        if body and self.is_infinite(node):
            first = self.view_if(body[0]) if body[0].type == "if_statement" else None
            if (
                first is not None
                and first.other is None
                and len(first.then) == 1
                and self.is_bare(first.then[0], "break_statement")
            ):
                return self.make_while(self.negated(first.condition), body[1:])
        return node

    def tail(self, node: Node, kind: str) -> None:
        """Bring the end of a function's or loop's body into form; `kind` is the statement that is needless there."""
        body = self.body_of(node)
        if body is not None:
            self.put_body(node, self.ended(body, kind))

    def ended(self, body: list[Node], kind: str) -> list[Node]:
        """Return statements after which `kind` happens anyway: without it, and without jumps over the rest."""
        while body and self.is_bare(body[-1], kind):
            body = body[:-1]
        for place, node in enumerate(body):
            branch = self.view_if(node) if node.type == "if_statement" else None
            if branch is None or branch.other is not None:
                continue
            rest = body[place + 1 :]
            if len(branch.then) == 1 and self.is_bare(branch.then[0], kind):
                if rest and any(map(self.declares, rest)):
                    continue
                if rest:
                    inner = self.ended(rest, kind)
                    turned = If(self.negated(branch.condition), inner, None)
                    return [*body[:place], self.branch(turned, self.make_if(turned))[0]]
            elif not rest and self.is_bare(branch.then[-1] if branch.then else node, kind):
                return [*body[:place], self.make_if(If(branch.condition, self.ended(branch.then, kind), None))]
        return body

    def swap_returns(self, done: list[Node]) -> bool:
        """Where `not` decides between two returns, put the other one first; return whether something changed."""
        if len(done) < 2 or done[-2].type != "if_statement" or done[-1].type != "return_statement":
            return False
        branch = self.view_if(done[-2])
        if branch is None or branch.other is not None or len(branch.then) != 1:
            return False
        if branch.then[0].type != "return_statement" or not self.is_negation(branch.condition):
            return False
        last = done[-1]
        done[-1] = branch.then[0]
        done[-2] = self.make_if(If(self.negated(branch.condition), [last], None))
        return True

    # Uses of names

    def function_around(self) -> Node | None:
        """Return the innermost function around."""
        return next((node for node in reversed(self.around) if node.type in self.functions), None)

    def is_guarded(self) -> bool:
        """Return whether what fails here may be caught in the same function."""
        return bool(self.around) and self.around[-1].type in self.guarded


@cache
def _handlers(shapes: type[Shapes]) -> dict[str, Handler]:
    """Return the methods that kinds of nodes go through."""
    names = (name for name in dir(shapes) if name.startswith("_") and not name.startswith("__"))
    return {name[1:]: getattr(shapes, name) for name in names}


def uses_in(node: Node, binding: Binding) -> int:
    """Return how often a name is used below a node."""
    return sum(each.binding is binding for each in walk(node))


def forget(node: Node) -> None:
    """Take the names below a node out of what they are bound to: the node goes."""
    for each in walk(node):
        if each.binding is not None:
            each.binding.uses = [use for use in each.binding.uses if use is not each]


def own(node: Node, nested: frozenset[str]) -> Iterator[Node]:
    """Yield what is below a node, but not below nodes of some kinds."""
    stack = list(reversed(node.kids))
    while stack:
        each = stack.pop()
        yield each
        if each.type not in nested:
            stack.extend(reversed(each.kids))
