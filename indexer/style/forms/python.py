"""Python's normal form: what is bound where, and how it is printed.

The shapes that are brought into one are in `python_shapes.py`.
"""

from __future__ import annotations

from indexer.style.forms.bindings import Scope
from indexer.style.forms.form import Form
from indexer.style.forms.printer import Layout
from indexer.style.forms.python_shapes import rewrite
from indexer.style.forms.tree import Node, walk

_COMPREHENSIONS = frozenset(
    {"list_comprehension", "set_comprehension", "dictionary_comprehension", "generator_expression"}
)
_PATTERNS = frozenset(
    {
        "pattern_list",
        "tuple_pattern",
        "list_pattern",
        "list_splat_pattern",
        "as_pattern_target",
        "tuple",
        "list",
        "list_splat",
        "expression_list",
        "parenthesized_expression",
    }
)
# Called without an argument, these see the names of locals.
_SEES_NAMES = frozenset({"locals", "vars", "eval", "exec", "dir"})


def bind(root: Node) -> list[Node]:
    """Find what each name is bound to; return the outermost functions."""
    return _Binder(root).functions


class _Binder:
    def __init__(self, root: Node) -> None:
        self.functions: list[Node] = []
        self.defined = {
            name.text for node in walk(root) if node.type == "function_definition" and (name := node.get("name"))
        }
        self.keywords: set[str] = set()
        self.scopes: list[Scope] = []
        self.frozen: set[int] = set()
        self.visit(root, Scope())
        for scope in self.scopes:
            for binding in scope.names.values():
                if id(scope.function) in self.frozen or (binding.role == "p" and binding.name in self.keywords):
                    binding.keep = True

    def inside(self, node: Node, parent: Scope) -> Scope:
        if parent.function is None:
            self.functions.append(node)
        scope = Scope(parent, node)
        self.scopes.append(scope)
        return scope

    def visit(self, node: Node, scope: Scope) -> None:
        kind = node.type
        if not node.kids:
            if kind == "identifier" and node.binding is None:
                bound = scope.refer(node)
                if bound is None and node.text in _SEES_NAMES:
                    self.frozen.add(id(scope.function))
            return
        method = getattr(self, f"_{kind}", None)
        if method is not None:
            method(node, scope)
        elif kind in _COMPREHENSIONS:
            self.comprehension(node, scope)
        else:
            self.kids(node, scope)

    def kids(self, node: Node, scope: Scope) -> None:
        for kid in node.kids:
            self.visit(kid, scope)

    def _attribute(self, node: Node, scope: Scope) -> None:
        self.visit(node.kids[0], scope)

    def _keyword_argument(self, node: Node, scope: Scope) -> None:
        for kid in node.kids:
            if kid.field == "value":
                self.visit(kid, scope)

    def _import_statement(self, node: Node, scope: Scope) -> None:
        """Leave it: what is imported was bound when the scope was collected."""

    _import_from_statement = _future_import_statement = _global_statement = _import_statement

    def _dotted_name(self, node: Node, scope: Scope) -> None:
        binding = scope.find(node.kids[0].text)
        if binding is not None:
            binding.keep = True

    def _keyword_pattern(self, node: Node, scope: Scope) -> None:
        for kid in node.kids[1:]:
            self.visit(kid, scope)

    def _interpolation(self, node: Node, scope: Scope) -> None:
        self.kids(node, scope)
        if node.has("="):
            for leaf in walk(node):
                if leaf.binding is not None:
                    leaf.binding.keep = True

    def _call(self, node: Node, scope: Scope) -> None:
        self.kids(node, scope)
        callee, arguments = node.get("function"), node.get("arguments")
        if callee is None or arguments is None:
            return
        known = callee.binding is not None or callee.text in self.defined
        if callee.type == "attribute":
            known = callee.kids[-1].text in self.defined and callee.kids[0].text in ("self", "cls")
        if known or callee.type == "lambda":
            self.keywords.update(
                name.text for each in arguments.kids if each.type == "keyword_argument" and (name := each.get("name"))
            )

    def _function_definition(self, node: Node, scope: Scope) -> None:
        inner = self.inside(node, scope)
        parameters = node.get("parameters")
        if parameters is not None:
            self.parameters(parameters, scope, inner)
        for kid in node.kids:
            if kid.field == "return_type":
                self.visit(kid, scope)
        body = node.get("body")
        if body is not None:
            self.collect(body, inner)
            self.visit(body, inner)

    def _lambda(self, node: Node, scope: Scope) -> None:
        inner = self.inside(node, scope)
        parameters, body = node.get("parameters"), node.get("body")
        if parameters is not None:
            self.parameters(parameters, scope, inner)
        if body is not None:
            self.collect(body, inner)
            self.visit(body, inner)

    def parameters(self, node: Node, outer: Scope, inner: Scope) -> None:
        for place, kid in enumerate(node.kids):
            if kid.type == "identifier":
                inner.declare(kid, "p", keep=place <= 1 and kid.text in ("self", "cls"))
                continue
            for part in kid.kids:
                if part.field in ("type", "value"):
                    self.visit(part, outer)
                elif part.type == "identifier":
                    inner.declare(part, "p")
                elif part.type in _PATTERNS or part.type == "dictionary_splat_pattern":
                    for leaf in part.kids:
                        if leaf.type == "identifier":
                            inner.declare(leaf, "p")

    def comprehension(self, node: Node, scope: Scope) -> None:
        inner = self.inside(node, scope)
        clauses = [kid for kid in node.kids if kid.type == "for_in_clause"]
        for place, clause in enumerate(clauses):
            left = clause.get("left")
            for kid in clause.kids:
                if kid.field == "right":
                    self.visit(kid, inner if place else scope)
            if left is not None:
                self.target(left, inner)
                self.visit(left, inner)
        for kid in node.kids:
            if kid.type != "for_in_clause":
                self.visit(kid, inner)

    def _class_definition(self, node: Node, scope: Scope) -> None:
        assigned = Scope(None, node)
        body = node.get("body")
        if body is not None and scope.function is not None:
            self.collect(body, assigned)
            for leaf in walk(body):
                leaf.binding = None
            for name in assigned.names:
                if (binding := scope.find(name)) is not None:
                    binding.keep = True
        for kid in node.kids:
            if kid.field != "name":
                self.visit(kid, scope)

    def target(self, node: Node, scope: Scope) -> None:
        """Bind what an assignment, a loop or the like binds."""
        if node.type == "identifier":
            scope.declare(node)
        elif node.type in _PATTERNS:
            for kid in node.kids:
                self.target(kid, scope)

    def collect(self, body: Node, scope: Scope) -> None:
        """Bind what a function's body binds anywhere: Python's names are local to the whole function."""
        foreign = {
            leaf.text
            for node in _own(body)
            if node.type in ("global_statement", "nonlocal_statement")
            for leaf in node.kids
            if leaf.type == "identifier"
        }
        own = Scope(None, body)
        for node in _own(body):
            self.bound(node, own)
        for name, binding in own.names.items():
            if name not in foreign:
                first = scope.names.setdefault(name, binding)
                first.keep = first.keep or binding.keep
                for leaf in binding.uses if first is not binding else ():
                    leaf.binding = None
            else:
                for leaf in binding.uses:
                    leaf.binding = None

    def bound(self, node: Node, scope: Scope) -> None:
        kind = node.type
        if kind in ("assignment", "augmented_assignment", "for_statement"):
            if (left := node.get("left")) is not None:
                self.target(left, scope)
        elif kind == "as_pattern_target":
            self.target(node, scope)
        elif kind == "named_expression":
            if (name := node.get("name")) is not None:
                self.target(name, scope)
        elif kind in ("function_definition", "class_definition"):
            if (name := node.get("name")) is not None:
                scope.declare(name, keep=True)
        elif kind in ("import_statement", "import_from_statement"):
            self.imported(node, scope)
        elif kind in ("case_pattern", "splat_pattern", "as_pattern"):
            for kid in node.kids:
                name = kid.kids[0] if kid.type == "dotted_name" and kid.kids else kid
                if name.type == "identifier" and (kind != "as_pattern" or kid.field != "value"):
                    scope.declare(name, keep=True)

    def imported(self, node: Node, scope: Scope) -> None:
        for kid in node.kids:
            if kid.field != "name":
                continue
            name = kid.get("alias") if kid.type == "aliased_import" else (kid.kids or [kid])[0]
            if name is not None and name.text:
                scope.declare(name, keep=True)


def _own(body: Node) -> list[Node]:
    """Return the nodes of a function's body that bind in it: nested functions and classes bind in themselves."""
    found, stack = [], [body]
    while stack:
        node = stack.pop()
        found.append(node)
        if node.type in ("function_definition", "class_definition", "lambda") and node is not body:
            continue
        stack.extend(reversed(node.kids))
    return found


_LAYOUT = Layout(
    lists=frozenset({"module", "block"}),
    raw=frozenset({"string", "interpolation", "format_specifier", "format_expression"}),
    glued=frozenset({"argument_list", "parameters", "subscript", "generic_type", "class_pattern", "type_parameter"}),
    unary=frozenset(
        {
            "unary_operator",
            "list_splat",
            "dictionary_splat",
            "list_splat_pattern",
            "dictionary_splat_pattern",
            "splat_pattern",
            "splat_type",
        }
    ),
    tight=frozenset({"keyword_argument", "default_parameter", "relative_import"}),
    indented=True,
)

FORM = Form(
    layout=_LAYOUT,
    atoms=frozenset({"import_prefix", "string_content"}),
    names=frozenset({"identifier"}),
    bind=bind,
    rewrite=rewrite,
    wrappings=(("if 1:\n", "", "block"), ("class X:\n", "", "block")),
)
