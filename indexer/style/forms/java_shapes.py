"""Shapes of Java that mean the same, brought into one."""

from __future__ import annotations

from indexer.style.forms.bindings import Binding
from indexer.style.forms.brace_shapes import BraceShapes
from indexer.style.forms.literals import c_number
from indexer.style.forms.tree import Node, plain, token

_WHOLE = frozenset({"int", "long", "short", "byte", "char"})


def rewrite(root: Node) -> Node:
    """Bring shapes into one."""
    return _Java(root).root


class _Java(BraceShapes):
    lists = frozenset({"program", "block", "constructor_body", "switch_block_statement_group"})
    functions = frozenset({"method_declaration", "constructor_declaration", "lambda_expression"})
    guarded = frozenset({"try_statement", "try_with_resources_statement"})
    closures = frozenset({"lambda_expression", "class_body"})
    declarations = frozenset({"local_variable_declaration"})
    declarators = frozenset({"variable_declarator"})
    whole_kinds = _WHOLE
    number_kinds = _WHOLE | {"float", "double"}
    literals = frozenset(
        {
            "decimal_integer_literal",
            "decimal_floating_point_literal",
            "character_literal",
            "null_literal",
            "hex_integer_literal",
        }
    )
    primary = frozenset(
        {
            "identifier",
            "this",
            "method_invocation",
            "field_access",
            "array_access",
            "string_literal",
            "character_literal",
            "decimal_integer_literal",
            "null_literal",
            "true",
            "false",
            "class_literal",
        }
    )
    open_places = frozenset(
        {"return_statement", "argument_list", "variable_declarator", "assignment_expression", "array_access"}
        | {"array_initializer", "throw_statement", "parenthesized_expression"}
    )
    commas = frozenset({"array_initializer"})

    def needless(self, parent: Node, node: Node, inner: Node, place: int) -> bool:
        if parent.type in ("array_access", "field_access", "method_invocation", "method_reference") and place == 0:
            return inner.type in self.primary and not inner.type.endswith("_literal")
        if parent.type == "array_access":
            return True
        if parent.type in self.binary and inner.type == "cast_expression":
            return True
        return super().needless(parent, node, inner, place)

    def _decimal_integer_literal(self, node: Node) -> Node:
        text = c_number(node.text, "_", "l", "fd", old_octal=True)
        kind = "decimal_integer_literal" if node.type.endswith("integer_literal") else node.type
        return Node(kind, text)

    _octal_integer_literal = _binary_integer_literal = _decimal_integer_literal
    _decimal_floating_point_literal = _decimal_integer_literal

    def _hex_integer_literal(self, node: Node) -> Node:
        # From half the range on, the same digits are a negative number.
        digits = node.text.lower().replace("_", "")[2:].rstrip("l").lstrip("0")
        return self._decimal_integer_literal(node) if len(digits) < 8 else node

    def _local_variable_declaration(self, node: Node) -> Node:
        """Leave out `final`, which only forbids."""
        first = node.kids[0]
        if first.type == "modifiers":
            first.kids = [kid for kid in first.kids if kid.text != "final"]
            if not first.kids:
                del node.kids[0]
        return node

    _formal_parameter = _catch_formal_parameter = _local_variable_declaration

    def _enum_body(self, node: Node) -> Node:
        node.kids = [kid for kid in node.kids if kid.type != "enum_body_declarations" or kid.named_kids()]
        return node

    def _enhanced_for_statement(self, node: Node) -> Node:
        node.kids = [kid for kid in node.kids if kid.type != "modifiers" or plain(kid) != "final"]
        self.brace_body(node)
        return node

    def _lambda_expression(self, node: Node) -> Node:
        """Put parameters in brackets; a body that is one expression needs no braces."""
        parameters, body = node.get("parameters"), node.get("body")
        if parameters is not None and not parameters.kids:
            kids = [token("("), parameters.placed(None), token(")")]
            node.kids[0] = Node("inferred_parameters", kids=kids, field="parameters")
        if body is not None and body.type == "block" and len(self.said(body)) == 1:
            only = self.said(body)[0]
            value = self.returned(only)
            if value is None and only.type == "expression_statement":
                value = only.kids[0]
            if value is not None:
                node.kids[-1] = value.placed("body")
        return node

    def _method_declaration(self, node: Node) -> Node:
        self.tail(node, "return_statement")
        return node

    _constructor_declaration = _method_declaration

    def keeps_type(self, node: Node, binding: Binding, value: Node) -> bool:
        function = self.function_around()
        result = function.get("type") if function is not None else None
        if value.type == "array_initializer" or result is None:
            return False
        return binding.kind == plain(result)

    def is_whole(self, node: Node) -> bool:
        if node.type == "field_access":
            return plain(node).endswith(". length")
        if node.type == "method_invocation":
            name, given = node.get("name"), node.get("arguments")
            return name is not None and name.text in ("size", "length") and given is not None and len(given.kids) == 2
        return super().is_whole(node)

    def is_boolean(self, node: Node) -> bool:
        return True
