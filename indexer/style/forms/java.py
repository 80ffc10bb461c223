"""Java's normal form: what is bound where, and how it is printed."""

from __future__ import annotations

from indexer.style.forms.bindings import Scope
from indexer.style.forms.blocks import BlockBinder
from indexer.style.forms.form import Form
from indexer.style.forms.java_shapes import rewrite
from indexer.style.forms.printer import Layout
from indexer.style.forms.tree import Node, plain


class _Binder(BlockBinder):
    blocks = frozenset(
        {
            "block",
            "constructor_body",
            "for_statement",
            "enhanced_for_statement",
            "catch_clause",
            "try_with_resources_statement",
            "switch_block",
            "switch_rule",
            "if_statement",
        }
    )
    skipped = frozenset(
        {
            ("method_invocation", "name"),
            ("field_access", "field"),
            ("marker_annotation", "name"),
            ("annotation", "name"),
            ("element_value_pair", "key"),
            ("class_declaration", "name"),
            ("record_declaration", "name"),
            ("enum_declaration", "name"),
            ("interface_declaration", "name"),
            ("annotation_type_declaration", "name"),
            ("enum_constant", "name"),
        }
    )

    def _method_declaration(self, node: Node, scope: Scope) -> None:
        self.others(node, self.open(scope, node), "name")

    _constructor_declaration = _compact_constructor_declaration = _method_declaration

    def _static_initializer(self, node: Node, scope: Scope) -> None:
        self.kids(node, self.open(scope, node))

    def _class_body(self, node: Node, scope: Scope) -> None:
        inner = Scope(scope)
        for member in node.kids:
            if member.type == "field_declaration":
                for part in member.kids:
                    name = part.get("name") if part.type == "variable_declarator" else None
                    if name is not None:
                        inner.declare(name, keep=True)
        self.kids(node, inner)

    _enum_body_declarations = _interface_body = _class_body

    def _formal_parameter(self, node: Node, scope: Scope) -> None:
        kind = node.get("type")
        name = node.get("name")
        if name is not None:
            scope.declare(name, "p", kind=plain(kind) if kind else "")
        self.others(node, scope, "name")

    def _spread_parameter(self, node: Node, scope: Scope) -> None:
        for kid in node.kids:
            name = kid.get("name") if kid.type == "variable_declarator" else None
            if name is not None:
                scope.declare(name, "p", kind="...")
            else:
                self.visit(kid, scope)

    def _local_variable_declaration(self, node: Node, scope: Scope) -> None:
        kind = node.get("type")
        for kid in node.kids:
            name = kid.get("name") if kid.type == "variable_declarator" else None
            if name is not None:
                extra = kid.get("dimensions")
                shown = (plain(kind) if kind else "") + (plain(extra) if extra else "")
                scope.declare(name, kind=shown)
                self.others(kid, scope, "name")
            else:
                self.visit(kid, scope)

    def _enhanced_for_statement(self, node: Node, scope: Scope) -> None:
        inner = self.open(scope)
        self.fields(node, scope, "value")
        self._bound_here(node, inner)

    def _bound_here(self, node: Node, scope: Scope) -> None:
        kind = node.get("type")
        if (name := node.get("name")) is not None:
            scope.declare(name, kind=plain(kind) if kind else "")
        self.others(node, scope, "name", "value" if node.type == "enhanced_for_statement" else "")

    def _resource(self, node: Node, scope: Scope) -> None:
        self._bound_here(node, scope)

    def _catch_formal_parameter(self, node: Node, scope: Scope) -> None:
        self._bound_here(node, scope)

    def _instanceof_expression(self, node: Node, scope: Scope) -> None:
        # A pattern's name lives as long as what it says is known: to the end of the enclosing block at most.
        if (name := node.get("name")) is not None:
            scope.declare(name)
        self.others(node, scope, "name")

    def _type_pattern(self, node: Node, scope: Scope) -> None:
        for kid in node.kids:
            if kid.type == "identifier":
                scope.declare(kid)
            else:
                self.visit(kid, scope)

    _record_pattern_component = _type_pattern

    def _lambda_expression(self, node: Node, scope: Scope) -> None:
        inner = self.open(scope, node)
        parameters = node.get("parameters")
        if parameters is not None:
            if not parameters.kids:
                inner.declare(parameters, "p")
            for kid in parameters.kids:
                if kid.type == "identifier":
                    inner.declare(kid, "p")
                else:
                    self.visit(kid, inner)
        self.fields(node, inner, "body")

    def _method_reference(self, node: Node, scope: Scope) -> None:
        self.visit(node.kids[0], scope)

    def _labeled_statement(self, node: Node, scope: Scope) -> None:
        for kid in node.kids[1:]:
            self.visit(kid, scope)

    def _break_statement(self, node: Node, scope: Scope) -> None:
        """Leave it: a label is no variable."""

    _continue_statement = _import_declaration = _package_declaration = _scoped_identifier = _break_statement


def bind(root: Node) -> list[Node]:
    """Find what each name is bound to; return the outermost functions."""
    return _Binder(root).functions


_LAYOUT = Layout(
    lists=frozenset(
        {
            "program",
            "block",
            "constructor_body",
            "class_body",
            "interface_body",
            "enum_body_declarations",
            "annotation_type_body",
            "switch_block",
        }
    ),
    cases=frozenset({"switch_block_statement_group"}),
    glued=frozenset(
        {
            "argument_list",
            "formal_parameters",
            "array_access",
            "dimensions",
            "dimensions_expr",
            "annotation_argument_list",
            "method_declaration",
            "inferred_parameters",
        }
    ),
    unary=frozenset({"unary_expression", "update_expression"}),
    angles=frozenset({"type_arguments", "type_parameters"}),
    tight=frozenset({"method_reference"}),
    spaced=frozenset({"ternary_expression", "enhanced_for_statement", "assert_statement"}),
)

FORM = Form(
    layout=_LAYOUT,
    atoms=frozenset({"string_literal", "character_literal"}),
    names=frozenset({"identifier", "type_identifier"}),
    bind=bind,
    rewrite=rewrite,
    wrappings=(
        ("class X {\n", "\n}", "class_body"),
        ("enum X { ; \n", "\n}", "enum_body_declarations"),
        ("void x() {\n", "\n}", "block"),
        ("interface X {\n", "\n}", "interface_body"),
    ),
)
