"""Shapes of C and C++ that mean the same, brought into one."""

from __future__ import annotations

from indexer.style.forms.bindings import Binding
from indexer.style.forms.brace_shapes import BraceShapes
from indexer.style.forms.literals import c_number
from indexer.style.forms.tree import Node, plain, token

_WHOLE = frozenset(
    {"int", "long", "short", "char", "size_t", "ssize_t", "unsigned", "unsigned int", "unsigned long", "long long"}
    | {"unsigned char", "unsigned short", "long int", "int8_t", "int16_t", "int32_t", "int64_t", "uint8_t", "uint16_t"}
    | {"uint32_t", "uint64_t", "ptrdiff_t", "intptr_t", "uintptr_t", "std :: size_t", "unsigned long long", "bool"}
)
_NUMBERS = _WHOLE | {"float", "double", "long double"}


def rewrite_c(root: Node) -> Node:
    """Bring shapes into one."""
    return _C(root).root


def rewrite_cpp(root: Node) -> Node:
    """Bring shapes into one, where operators may have other meanings."""
    return _Cpp(root).root


class _C(BraceShapes):
    lists = frozenset({"translation_unit", "compound_statement", "case_statement"})
    leaving = BraceShapes.leaving | {"goto_statement"}
    functions = frozenset({"function_definition", "lambda_expression"})
    closures = frozenset({"lambda_expression"})
    block_kind = "compound_statement"
    choice = "conditional_expression"
    declarations = frozenset({"declaration"})
    declarators = frozenset({"init_declarator", "pointer_declarator", "array_declarator", "function_declarator"})
    whole_kinds = _WHOLE
    number_kinds = _NUMBERS
    endless = frozenset({"true", "1"})
    literals = frozenset({"number_literal", "char_literal", "null"})
    unary = frozenset({"unary_expression", "pointer_expression", "cast_expression", "sizeof_expression"})
    primary = frozenset(
        {
            "identifier",
            "call_expression",
            "field_expression",
            "subscript_expression",
            "number_literal",
            "string_literal",
            "char_literal",
            "true",
            "false",
            "null",
            "this",
            "qualified_identifier",
        }
    )
    open_places = frozenset(
        {"return_statement", "argument_list", "init_declarator", "assignment_expression", "subscript_expression"}
        | {"subscript_argument_list", "initializer_list", "parenthesized_expression", "throw_statement"}
    )
    closed = frozenset({"comma_expression", "fold_expression"})
    commas = frozenset({"initializer_list"})

    def needless(self, parent: Node, node: Node, inner: Node, place: int) -> bool:
        kind = parent.type
        if kind in ("preproc_if", "preproc_elif", "preproc_defined", "offsetof_expression", "alignof_expression"):
            return False
        if kind in ("call_expression", "field_expression", "subscript_expression") and place == 0:
            return inner.type in self.primary - {"identifier", "number_literal"} or inner.binding is not None
        if inner.type == "identifier" and inner.binding is None and (kind in self.binary or kind == "cast_expression"):
            # What stands in them may be a type, and the whole a cast.
            return False
        if kind == "init_declarator" and inner.type == "compound_statement":
            return False
        return super().needless(parent, node, inner, place)

    def _condition_clause(self, node: Node) -> Node:
        if len(node.kids) == 3 and node.kids[1].type != "declaration":
            return Node("parenthesized_expression", kids=[token("("), self.bare(node.kids[1]).placed(None), token(")")])
        return node

    def _number_literal(self, node: Node) -> Node:
        node.text = (
            c_number(node.text, "'", "ulz", "fl", old_octal=True)
            if "x" not in node.text.lower()
            else self.hex(node.text)
        )
        return node

    def hex(self, text: str) -> str:
        """Return a hexadecimal number in decimals, where its type is an int both ways."""
        digits = text.lower().replace("'", "")[2:]
        small = len(digits.lstrip("0")) < 8 and set(digits) <= set("0123456789abcdef")
        return str(int(digits, 16)) if small and digits else text

    def _field_expression(self, node: Node) -> Node:
        """Write `(*p).x` as `p->x`."""
        if len(node.kids) == 3 and node.kids[1].text == "." and self.points(node):
            inner = self.bare(node.kids[0])
            if inner.type == "pointer_expression" and inner.kids[0].text == "*":
                target = self.bare(inner.kids[1])
                if target.type in self.primary:
                    node.kids = [target.placed("argument"), token("->", "operator"), node.kids[2]]
        return node

    def is_simple_if(self, node: Node) -> bool:
        condition = node.get("condition")
        return condition is not None and condition.type != "condition_clause" and super().is_simple_if(node)

    def points(self, node: Node) -> bool:
        """Return whether `*` and `->` mean what they mean for pointers."""
        return True

    def _function_definition(self, node: Node) -> Node:
        self.tail(node, "return_statement")
        return node

    def _lambda_expression(self, node: Node) -> Node:
        self.tail(node, "return_statement")
        return node

    def counts(self, target: Node) -> bool:
        return True

    def is_ordinary(self, node: Node, binding: Binding) -> bool:
        if any(kid.type in ("storage_class_specifier", "type_qualifier") for kid in node.kids):
            return False
        return "[" not in binding.kind and "&" not in binding.kind

    def name_in(self, declarator: Node) -> Node:
        while declarator.kids:
            inner = declarator.get("declarator")
            if inner is None:
                return declarator.kids[-1]
            declarator = inner
        return declarator

    def with_value(self, node: Node, declarator: Node, value: Node) -> Node:
        kids = [declarator.placed("declarator"), token("="), value.placed("value")]
        node.kids[node.kids.index(declarator)] = Node("init_declarator", kids=kids, field="declarator")
        declarator.field = "declarator"
        return node

    def is_declarator(self, node: Node) -> bool:
        return node.field == "declarator"

    def keeps_type(self, node: Node, binding: Binding, value: Node) -> bool:
        function = self.function_around()
        result = function.get("type") if function is not None else None
        if result is None or function is None or value.type in ("initializer_list", "argument_list"):
            return False
        declarator, shown = function.get("declarator"), plain(result)
        while declarator is not None and declarator.type in ("pointer_declarator", "reference_declarator"):
            shown += " *" if declarator.type == "pointer_declarator" else " &"
            declarator = declarator.get("declarator")
        return binding.kind == shown

    def is_whole(self, node: Node) -> bool:
        if node.type == "call_expression":
            callee = plain(node.kids[0])
            return callee in ("strlen",) or callee.endswith((". size", ". length", "-> size"))
        return node.type == "sizeof_expression" or super().is_whole(node)


class _Cpp(_C):
    def needless(self, parent: Node, node: Node, inner: Node, place: int) -> bool:
        if parent.type in ("argument_list", "template_argument_list") and inner.type == "binary_expression":
            return not set(plain(inner)) & set("<>") and super().needless(parent, node, inner, place)
        return super().needless(parent, node, inner, place)

    def counts(self, target: Node) -> bool:
        return self.is_number(target)

    def compounds(self, target: Node, operator: str) -> bool:
        known = self.is_number(target) or (target.binding is not None and target.binding.kind == "std :: string")
        return known and super().compounds(target, operator)

    def points(self, node: Node) -> bool:
        inner = self.bare(node.kids[0])
        target = self.bare(inner.kids[-1]) if inner.kids else inner
        return target.type == "this" or (target.binding is not None and target.binding.kind.endswith("*"))

    def is_ordinary(self, node: Node, binding: Binding) -> bool:
        if not super().is_ordinary(node, binding):
            return False
        declarator = next((kid for kid in node.kids if kid.field == "declarator"), None)
        given = declarator is not None and declarator.get("value") is not None
        return given or binding.kind in _NUMBERS or binding.kind.endswith("*")
