"""Go's normal form: what is bound where, and how it is printed."""

from __future__ import annotations

from indexer.style.forms.bindings import Scope
from indexer.style.forms.blocks import BlockBinder
from indexer.style.forms.form import Form
from indexer.style.forms.go_shapes import rewrite
from indexer.style.forms.printer import Layout
from indexer.style.forms.tree import Node, plain, walk

_EXPLICIT = frozenset({"map_type", "array_type", "slice_type", "implicit_length_array_type"})


class _Binder(BlockBinder):
    blocks = frozenset(
        {
            "block",
            "if_statement",
            "for_statement",
            "expression_switch_statement",
            "select_statement",
            "expression_case",
            "default_case",
            "communication_case",
            "type_case",
        }
    )

    def _function_declaration(self, node: Node, scope: Scope) -> None:
        inner = self.open(scope, node)
        for kid in node.kids:
            if kid.field == "result" and kid.type == "parameter_list":
                self.parameters(kid, inner, "v")
            elif kid.type == "parameter_list":
                self.parameters(kid, inner, "p")
            elif kid.field != "name":
                self.visit(kid, inner)

    _method_declaration = _func_literal = _function_declaration

    def parameters(self, node: Node, scope: Scope, role: str) -> None:
        for each in node.kids:
            kind = each.get("type")
            for kid in each.kids:
                if kid.field == "name":
                    self.declare(kid, scope, role, plain(kind) if kind else "")
                else:
                    self.visit(kid, scope)

    def declare(self, leaf: Node, scope: Scope, role: str = "v", kind: str = "") -> None:
        if leaf.type == "identifier" and leaf.text != "_":
            scope.declare(leaf, role, kind=kind)

    def _function_type(self, node: Node, scope: Scope) -> None:
        for each in walk(node):
            if each.type == "parameter_declaration" and (kind := each.get("type")) is not None:
                self.visit(kind, scope)

    _interface_type = _struct_type = _function_type

    def _short_var_declaration(self, node: Node, scope: Scope) -> None:
        self.fields(node, scope, "right")
        if (left := node.get("left")) is not None:
            for leaf in left.kids:
                self.declare(leaf, scope)

    def _range_clause(self, node: Node, scope: Scope) -> None:
        self.fields(node, scope, "right")
        left = node.get("left")
        if left is not None and node.has(":="):
            for leaf in left.kids:
                self.declare(leaf, scope)
        elif left is not None:
            self.visit(left, scope)

    _receive_statement = _range_clause

    def _var_spec(self, node: Node, scope: Scope) -> None:
        kind = node.get("type")
        self.others(node, scope, "name")
        for kid in node.kids:
            if kid.field == "name" and kid.named:
                self.declare(kid, scope, kind=plain(kind) if kind else "")

    _const_spec = _var_spec

    def _type_switch_statement(self, node: Node, scope: Scope) -> None:
        inner = self.open(scope)
        self.fields(node, inner, "initializer")
        self.fields(node, inner, "value")
        if (alias := node.get("alias")) is not None:
            for leaf in alias.kids:
                self.declare(leaf, inner)
        self.others(node, inner, "initializer", "value", "alias")

    def _composite_literal(self, node: Node, scope: Scope) -> None:
        kind, body = node.get("type"), node.get("body")
        if kind is not None:
            self.visit(kind, scope)
        explicit = kind is not None and kind.type in _EXPLICIT
        for element in body.kids if body is not None else ():
            self.element(element, scope, explicit)

    def element(self, node: Node, scope: Scope, explicit: bool) -> None:
        """Visit an element of a literal: its key may be a field's name, where the type does not say that it is none."""
        if node.type == "keyed_element":
            key = node.get("key")
            name = key.kids[0] if key is not None and key.kids else None
            if not explicit and name is not None and name.type == "identifier":
                if (binding := scope.find(name.text)) is not None:
                    binding.keep = True
                self.others(node, scope, "key")
                return
        self.visit(node, scope)

    def _literal_value(self, node: Node, scope: Scope) -> None:
        for each in node.kids:
            self.element(each, scope, False)


def bind(root: Node) -> list[Node]:
    """Find what each name is bound to; return the outermost functions."""
    return _Binder(root).functions


_LAYOUT = Layout(
    lists=frozenset(
        {
            "source_file",
            "block",
            "statement_list",
            "field_declaration_list",
            "interface_type",
        }
    ),
    bracketed=frozenset(
        {
            "import_spec_list",
            "var_spec_list",
            "const_declaration",
            "type_declaration",
        }
    ),
    braced=frozenset({"expression_switch_statement", "type_switch_statement", "select_statement"}),
    cases=frozenset({"expression_case", "default_case", "type_case", "communication_case"}),
    glued=frozenset(
        {
            "argument_list",
            "parameter_list",
            "index_expression",
            "slice_expression",
            "array_type",
            "slice_type",
            "map_type",
            "type_arguments",
            "type_parameter_list",
            "type_conversion_expression",
            "type_assertion_expression",
            "special_argument_list",
        }
    ),
    unary=frozenset({"unary_expression", "pointer_type", "inc_statement", "dec_statement", "variadic_argument"}),
)

FORM = Form(
    layout=_LAYOUT,
    atoms=frozenset({"interpreted_string_literal", "raw_string_literal", "rune_literal"}),
    names=frozenset({"identifier", "type_identifier", "package_identifier"}),
    bind=bind,
    rewrite=rewrite,
    wrappings=(("func x() {\n", "\n}", "block"), ("package x\n", "", "source_file")),
)
