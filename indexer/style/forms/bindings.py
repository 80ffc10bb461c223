"""Which names are local, what each stands for, and what it is called in the normal form.

How a language binds names is said by its form.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from indexer.style.forms.tree import Node


class Binding:
    """A name bound in a function: its role ("p" parameter, "v" local), whether it must keep its name, its uses."""

    __slots__ = ("keep", "kind", "name", "role", "uses")

    def __init__(self, name: str, role: str, keep: bool = False, kind: str = "") -> None:
        self.name = name
        self.role = role
        self.keep = keep
        # The type it is declared with, as written.
        self.kind = kind
        self.uses: list[Node] = []


class Scope:
    """Names bound in one block or function; those it lacks are looked for in what encloses it."""

    __slots__ = ("function", "names", "parent")

    def __init__(self, parent: Scope | None = None, function: Node | None = None) -> None:
        self.parent = parent
        self.names: dict[str, Binding] = {}
        # The outermost function around, None at top level.
        self.function: Node | None = parent.function if parent and parent.function else function

    def declare(self, leaf: Node, role: str = "v", keep: bool = False, kind: str = "") -> Binding:
        """Bind a name here, again if it was bound before, and note this use of it."""
        binding = self.names.get(leaf.text)
        if binding is None:
            binding = self.names[leaf.text] = Binding(leaf.text, role, keep or self.function is None, kind)
        binding.keep = binding.keep or keep
        note(leaf, binding)
        return binding

    def find(self, name: str) -> Binding | None:
        """Return what a name is bound to."""
        scope: Scope | None = self
        while scope is not None:
            if (binding := scope.names.get(name)) is not None:
                return binding
            scope = scope.parent
        return None

    def refer(self, leaf: Node) -> Binding | None:
        """Note a use of a name, if it is bound, and return its binding."""
        binding = self.find(leaf.text)
        if binding is not None:
            note(leaf, binding)
        return binding


def note(leaf: Node, binding: Binding) -> None:
    """Make a leaf a use of a binding."""
    if leaf.binding is not binding:
        leaf.binding = binding
        binding.uses.append(leaf)


def rename(found: Iterable[Node], could_capture: frozenset[str]) -> None:
    """Name the local names of one function by role, in order of appearance; `found` are its leaves in order.

    `could_capture` are the kinds of leaves that hold names: a new name is never one that is already there.
    """
    local: dict[Binding, list[Node]] = {}
    taken = set()
    for leaf in found:
        if leaf.binding is not None and not leaf.binding.keep:
            local.setdefault(leaf.binding, []).append(leaf)
        elif leaf.type in could_capture:
            taken.add(leaf.text)
    counts = {"p": 0, "v": 0}
    for binding, uses in local.items():
        role = binding.role
        while (name := f"{role}{counts[role]}") in taken:
            counts[role] += 1
        counts[role] += 1
        for leaf in uses:
            leaf.text = name
