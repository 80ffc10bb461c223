"""JavaScript's and TypeScript's normal form: what is bound where, and how it is printed."""

from __future__ import annotations

from collections.abc import Iterator

from indexer.style.forms.bindings import Scope
from indexer.style.forms.blocks import BlockBinder
from indexer.style.forms.form import Form
from indexer.style.forms.javascript_shapes import rewrite
from indexer.style.forms.printer import Layout
from indexer.style.forms.tree import Node

_FUNCTIONS = frozenset(
    {
        "function_declaration",
        "function_expression",
        "generator_function",
        "generator_function_declaration",
        "arrow_function",
        "method_definition",
        "class_static_block",
    }
)
_TYPED = frozenset({"required_parameter", "optional_parameter"})
_PATTERNS = frozenset({"object_pattern", "array_pattern", "pair_pattern", "rest_pattern", "assignment_pattern"}) | {
    "object_assignment_pattern"
}
# They see the names of locals, or change what a name means.
_SEES_NAMES = frozenset({"eval", "with"})


class _Binder(BlockBinder):
    blocks = frozenset({"statement_block", "for_statement", "for_in_statement", "switch_body"})
    names = frozenset({"identifier", "shorthand_property_identifier", "shorthand_property_identifier_pattern"})
    skipped = frozenset({("class_declaration", "name"), ("class", "name"), ("labeled_statement", "label")})

    def refer(self, leaf: Node, scope: Scope) -> None:
        if scope.refer(leaf) is None and leaf.text in _SEES_NAMES:
            self.frozen.add(id(scope.function))

    def kids(self, node: Node, scope: Scope) -> None:
        if node.type in self.blocks or node.type == "program":
            self.lexical(node, scope)
        super().kids(node, scope)

    def lexical(self, block: Node, scope: Scope) -> None:
        """Bind what a block declares anywhere in it."""
        for statement in block.kids:
            declared = (
                (statement.get("declaration") or statement) if statement.type == "export_statement" else statement
            )
            kind = declared.type
            if kind in ("lexical_declaration", "for_in_statement"):
                self.declarators(declared, scope)
            elif kind in ("switch_case", "switch_default"):
                self.lexical(declared, scope)
            elif kind.endswith("_declaration") and (name := declared.get("name")) is not None and name.text:
                scope.declare(name, keep=True)
        if block.type == "for_in_statement" and block.get("kind") is not None:
            left = block.get("left")
            if left is not None and not block.has("var"):
                self.pattern(left, scope, "v")

    def declarators(self, node: Node, scope: Scope) -> None:
        for kid in node.kids:
            name = kid.get("name") if kid.type == "variable_declarator" else None
            if name is not None:
                self.pattern(name, scope, "v")

    def hoisted(self, body: Node, scope: Scope) -> None:
        """Bind the variables that are local to a whole function."""
        for node in _own(body):
            if node.type == "variable_declaration":
                self.declarators(node, scope)
            elif node.type == "for_in_statement" and node.has("var") and (left := node.get("left")) is not None:
                self.pattern(left, scope, "v")

    def pattern(self, node: Node, scope: Scope, role: str, keep: bool = False) -> None:
        """Bind the names in a pattern; what they stand for by default is visited later."""
        if not node.kids:
            if node.type in ("identifier", "shorthand_property_identifier_pattern"):
                scope.declare(node, role, keep)
        elif node.type in _PATTERNS:
            for kid in node.kids:
                if kid.field not in ("key", "right"):
                    self.pattern(kid, scope, role, keep)

    def function(self, node: Node, scope: Scope) -> None:
        inner = self.open(scope, node)
        name = node.get("name")
        if name is not None and node.type in ("function_expression", "generator_function"):
            inner.declare(name, keep=True)
        if (parameter := node.get("parameter")) is not None:
            inner.declare(parameter, "p")
        parameters = node.get("parameters")
        for each in parameters.kids if parameters is not None else ():
            bound = each.get("pattern") if each.type in _TYPED else each
            if bound is not None:
                kept = each.type in _TYPED and any(
                    kid.type in ("accessibility_modifier", "override_modifier", "readonly") for kid in each.kids
                )
                self.pattern(bound, inner, "p", kept)
        body = node.get("body")
        if body is not None:
            self.hoisted(body, inner)
        if name is not None and name.type == "computed_property_name":
            self.visit(name, scope)
        for kid in node.kids:
            if kid.field == "body" and kid.type == "statement_block":
                self.kids(kid, inner)
            elif kid.field != "name":
                self.visit(kid, inner)

    _function_declaration = _function_expression = _generator_function = _generator_function_declaration = function
    _arrow_function = _method_definition = _class_static_block = function

    def _catch_clause(self, node: Node, scope: Scope) -> None:
        inner = self.open(scope)
        if (parameter := node.get("parameter")) is not None:
            self.pattern(parameter, inner, "v")
        super().kids(node, inner)

    def _function_type(self, node: Node, scope: Scope) -> None:
        inner = self.open(scope)
        for each in self._typed_parameters(node):
            self.pattern(each, inner, "p", keep=True)
        super().kids(node, inner)

    _call_signature = _construct_signature = _constructor_type = _function_signature = _function_type
    _method_signature = _abstract_method_signature = _function_type

    def _typed_parameters(self, node: Node) -> Iterator[Node]:
        parameters = node.get("parameters")
        for each in parameters.kids if parameters is not None else ():
            if each.type in _TYPED and (pattern := each.get("pattern")) is not None:
                yield pattern

    def _jsx_tag(self, node: Node, scope: Scope) -> None:
        name = node.get("name")
        if name is not None and (binding := scope.find((name.kids or [name])[0].text)) is not None:
            binding.keep = True
        self.others(node, scope, "name")

    _jsx_opening_element = _jsx_closing_element = _jsx_self_closing_element = _jsx_tag

    def _with_statement(self, node: Node, scope: Scope) -> None:
        self.frozen.add(id(scope.function))
        super().kids(node, scope)


def _own(body: Node) -> Iterator[Node]:
    stack = [body]
    while stack:
        node = stack.pop()
        yield node
        if node.type not in _FUNCTIONS or node is body:
            stack.extend(reversed(node.kids))


def bind(root: Node) -> list[Node]:
    """Find what each name is bound to; return the outermost functions."""
    return _Binder(root).functions


_LAYOUT = Layout(
    lists=frozenset({"program", "statement_block", "class_body", "switch_body", "interface_body"}),
    cases=frozenset({"switch_case", "switch_default"}),
    raw=frozenset({"template_string", "template_substitution", "template_literal_type"}),
    exact=frozenset({"jsx_element", "jsx_fragment", "jsx_expression"}),
    glued=frozenset(
        {
            "arguments",
            "formal_parameters",
            "subscript_expression",
            "array_type",
            "lookup_type",
        }
    ),
    unary=frozenset({"unary_expression", "update_expression", "spread_element", "rest_pattern"}),
    angles=frozenset({"type_arguments", "type_parameters", "jsx_opening_element", "jsx_closing_element"})
    | {"jsx_self_closing_element"},
    tight=frozenset(
        {
            "member_expression",
            "jsx_attribute",
            "jsx_closing_element",
            "jsx_self_closing_element",
            "optional_parameter",
            "non_null_expression",
            "property_signature",
            "nested_identifier",
        }
    ),
    spaced=frozenset({"ternary_expression", "conditional_type"}),
    ends=frozenset(
        {
            "expression_statement",
            "lexical_declaration",
            "variable_declaration",
            "return_statement",
            "throw_statement",
            "break_statement",
            "continue_statement",
            "debugger_statement",
            "import_statement",
            "type_alias_declaration",
            "field_definition",
            "public_field_definition",
            "do_statement",
            "property_signature",
            "method_signature",
            "abstract_method_signature",
            "index_signature",
            "call_signature",
            "function_signature",
            "construct_signature",
        }
    ),
)

FORM = Form(
    layout=_LAYOUT,
    atoms=frozenset({"string", "regex", "jsx_text", "html_comment", "string_fragment"}),
    names=frozenset(
        {"identifier", "shorthand_property_identifier", "shorthand_property_identifier_pattern", "type_identifier"}
    ),
    bind=bind,
    rewrite=rewrite,
    wrappings=(
        ("class X {\n", "\n}", "class_body"),
        ("async function x() {\n", "\n}", "statement_block"),
        ("x = {\n", "\n}", "object"),
        ("interface X {\n", "\n}", "interface_body"),
    ),
)
