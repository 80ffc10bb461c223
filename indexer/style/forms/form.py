"""What a language's form consists of.

One value a language; the steps that use it stand in `indexer.style.normalise`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from indexer.style.forms.printer import Layout
from indexer.style.forms.tree import Node


@dataclass(frozen=True, slots=True)
class Form:
    """The normal form of a language.

    `atoms` are kinds of nodes kept as one leaf, `names` those of leaves that are names. `bind` finds what is local and
    returns the outermost functions; `rewrite` brings shapes into one. `wrappings` are what may stand before and after
    a fragment so that the grammar reads it, with the kind of the node whose kids the fragment then is.
    """

    layout: Layout
    atoms: frozenset[str]
    names: frozenset[str]
    bind: Callable[[Node], list[Node]]
    rewrite: Callable[[Node], Node]
    wrappings: tuple[tuple[str, str, str], ...] = ()
