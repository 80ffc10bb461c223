"""Binding in languages whose names live from their declaration to the end of a block.

What a language's nodes are called is said by its own binder, which builds on this one.
"""

from __future__ import annotations

from indexer.style.forms.bindings import Scope
from indexer.style.forms.tree import Node


class BlockBinder:
    """Walks a tree in the order of the text; a method `_<kind>` says what a kind of node binds.

    `blocks` are kinds that open a block, `names` those of leaves that may be a local name, `skipped` the
    (parent's kind, field) pairs where a name is no local one.
    """

    blocks: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset({"identifier"})
    skipped: frozenset[tuple[str, str]] = frozenset()

    def __init__(self, root: Node) -> None:
        self.functions: list[Node] = []
        self.scopes: list[Scope] = []
        # Functions whose names must stay, because something reads them as text.
        self.frozen: set[int] = set()
        self.visit(root, Scope())
        for scope in self.scopes if self.frozen else ():
            if id(scope.function) in self.frozen:
                for binding in scope.names.values():
                    binding.keep = True

    def open(self, parent: Scope, function: Node | None = None) -> Scope:
        """Open a block; `function` is the node of a function that begins with it."""
        if function is not None and parent.function is None:
            self.functions.append(function)
        scope = Scope(parent, function)
        self.scopes.append(scope)
        return scope

    def visit(self, node: Node, scope: Scope) -> None:
        """Bind and refer to what stands in a node."""
        if not node.kids:
            if node.type in self.names and node.binding is None:
                self.refer(node, scope)
            return
        method = getattr(self, f"_{node.type}", None)
        if method is not None:
            method(node, scope)
        else:
            self.kids(node, self.open(scope) if node.type in self.blocks else scope)

    def refer(self, leaf: Node, scope: Scope) -> None:
        """Note a use of a name."""
        scope.refer(leaf)

    def kids(self, node: Node, scope: Scope) -> None:
        """Visit the kids of a node, but for the names of something else."""
        kind, skipped = node.type, self.skipped
        for kid in node.kids:
            if kid.field is None or (kind, kid.field) not in skipped:
                self.visit(kid, scope)

    def fields(self, node: Node, scope: Scope, *fields: str) -> None:
        """Visit the kids of some fields."""
        for kid in node.kids:
            if kid.field in fields:
                self.visit(kid, scope)

    def others(self, node: Node, scope: Scope, *fields: str) -> None:
        """Visit the kids of all but some fields."""
        for kid in node.kids:
            if kid.field not in fields:
                self.visit(kid, scope)
