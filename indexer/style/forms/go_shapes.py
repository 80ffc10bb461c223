"""Shapes of Go that mean the same, brought into one."""

from __future__ import annotations

from indexer.style.forms.bindings import Binding
from indexer.style.forms.brace_shapes import BraceShapes
from indexer.style.forms.literals import c_number
from indexer.style.forms.shapes import uses_in
from indexer.style.forms.tree import Node, plain, token

_INTEGERS = frozenset(
    {"int", "int8", "int16", "int32", "int64", "uint", "uint8", "uint16", "uint32", "uint64", "byte", "rune", "uintptr"}
)
_STRENGTH = {"||": 1, "&&": 2, "==": 3, "!=": 3, "<": 3, "<=": 3, ">": 3, ">=": 3}
_STRENGTH |= {"+": 4, "-": 4, "|": 4, "^": 4, "*": 5, "/": 5, "%": 5, "<<": 5, ">>": 5, "&": 5, "&^": 5}
# What a variable without a value has.
_ZERO = {"int": ("int_literal", "0"), "string": ("interpreted_string_literal", '""'), "bool": ("false", "false")}


def rewrite(root: Node) -> Node:
    """Bring shapes into one."""
    return _Go(root).root


class _Go(BraceShapes):
    lists = frozenset({"source_file", "statement_list"})
    functions = frozenset({"function_declaration", "method_declaration", "func_literal"})
    guarded = frozenset()
    closures = frozenset({"func_literal"})
    declarations = frozenset({"short_var_declaration", "var_declaration", "const_declaration"})
    strength = _STRENGTH
    whole_kinds = number_kinds = _INTEGERS
    literals = frozenset({"int_literal", "float_literal", "rune_literal", "interpreted_string_literal", "nil"})
    primary = frozenset(
        {
            "identifier",
            "call_expression",
            "selector_expression",
            "index_expression",
            "int_literal",
            "interpreted_string_literal",
            "raw_string_literal",
            "rune_literal",
            "nil",
            "true",
            "false",
            "type_assertion_expression",
            "slice_expression",
        }
    )
    open_places = frozenset(
        {"return_statement", "argument_list", "expression_list", "parenthesized_expression", "send_statement"}
        | {"literal_element", "expression_statement"}
    )
    commas = frozenset({"argument_list", "literal_value", "parameter_list", "special_argument_list"})
    syntactic = frozenset({"go_statement", "defer_statement"})

    def needless(self, parent: Node, node: Node, inner: Node, place: int) -> bool:
        if parent.type in ("if_statement", "for_statement", "for_clause", "expression_switch_statement"):
            # A literal with braces would be read as the block.
            return inner.type in self.primary or inner.type in self.binary or inner.type in self.unary
        if parent.type in ("selector_expression", "index_expression", "call_expression", "slice_expression"):
            return inner.type in self.primary and not inner.type.endswith("literal")
        return super().needless(parent, node, inner, place)

    def headed(self, condition: Node) -> Node:
        return self.bare(condition).placed("condition")

    def tidy(self, node: Node) -> None:
        super().tidy(node)
        if any(kid.type == "statement_list" for kid in node.kids):
            node.kids = [each for kid in node.kids for each in (kid.kids if kid.type == "statement_list" else [kid])]

    def list_of(self, kids: list[Node]) -> list[Node]:
        return super().list_of([kid for kid in kids if kid.text not in (";", "\n") or kid.kids])

    def _int_literal(self, node: Node) -> Node:
        node.text = c_number(node.text, "_", "", "", old_octal=True)
        return node

    _float_literal = _int_literal

    def _raw_string_literal(self, node: Node) -> Node:
        inner = node.text[1:-1]
        if set(inner) & set('\\"\n\r'):
            return node
        return Node("interpreted_string_literal", f'"{inner}"')

    # Loops

    def _for_statement(self, node: Node) -> Node:
        self.brace_body(node)
        body = node.get("body")
        if body is None:
            return node
        head = [kid for kid in node.kids if kid.named and kid is not body]
        if not head:
            return self.make_for([], [], [], body)
        if head[0].type == "range_clause":
            return node
        if head[0].type != "for_clause":
            if self.bare(head[0]).text == "true":
                return self.make_for([], [], [], body)
            return self.make_while(head[0], self.said(body))
        clause = head[0]
        initial, condition, update = (self.part(clause, field) for field in ("initializer", "condition", "update"))
        if len(condition) == 1 and condition[0].text == "true":
            condition = []
        update = [self.step(each) for each in update]
        if condition and not initial and not update:
            return self.make_while(condition[0], self.said(body))
        return self.make_for(initial, condition, update, body)

    def make_for(self, initial: list[Node], condition: list[Node], update: list[Node], body: Node) -> Node:
        kids = [token("for")]
        if initial or condition or update:
            kids += [each.placed("initializer") for each in initial] + [token(";")]
            kids += [self.bare(each).placed("condition") for each in condition] + [token(";")]
            kids += [each.placed("update") for each in update]
        return Node("for_statement", kids=[*kids, body.placed("body")])

    def head_start(self, node: Node) -> int:
        return 1

    def is_infinite(self, node: Node) -> bool:
        return node.type == "for_statement" and sum(kid.named for kid in node.kids) == 1

    def make_while(self, condition: Node, body: list[Node]) -> Node:
        return Node("while_statement", kids=[token("for"), self.headed(condition), self.block(body, "body")])

    # Statements

    def _assignment_statement(self, node: Node) -> Node:
        return self.step(node)

    def counts(self, target: Node) -> bool:
        return True

    def make_step(self, target: Node, sign: str) -> Node:
        kind = "inc_statement" if sign == "++" else "dec_statement"
        return Node(kind, kids=[target.placed(None), token(sign)])

    def make_compound(self, target: Node, sign: str, value: Node) -> Node:
        kids = [_listed(target, "left"), token(sign, "operator"), _listed(value, "right")]
        return Node("assignment_statement", kids=kids)

    def make_return(self, value: Node) -> Node:
        return Node("return_statement", kids=[token("return"), _listed(self.bare(value), None)])

    def returned(self, node: Node) -> Node | None:
        kids = node.named_kids() if node.type == "return_statement" else []
        return self.only(kids[0]) if len(kids) == 1 and self.only(kids[0]).type != "expression_list" else None

    def _var_declaration(self, node: Node) -> Node:
        """Write a variable with a value, or with its type's zero, as `:=` does, inside functions."""
        specs = [kid for kid in node.kids if kid.type == "var_spec"]
        if len(specs) != 1 or not self.around or node.has("("):
            return node
        spec = specs[0]
        names = [kid for kid in spec.kids if kid.field == "name" and kid.named]
        kind, value = spec.get("type"), spec.get("value")
        if len(names) != 1 or names[0].text == "_":
            return node
        if kind is not None:
            shown = plain(kind)
            if value is None and shown in _ZERO:
                value = _listed(Node(*_ZERO[shown]), "value")
            elif value is None or shown not in _ZERO or self.only(value).type != _ZERO[shown][0]:
                return node
        if value is None:
            return node
        kids = [_listed(names[0], "left"), token(":="), value.placed("right")]
        return Node("short_var_declaration", kids=kids)

    def separated(self, node: Node) -> list[Node]:
        return [node]

    def declared(self, node: Node) -> list[Binding | None]:
        left = node.get("left")
        return [leaf.binding for leaf in left.kids if leaf.named and leaf.text != "_"] if left is not None else []

    def declares(self, node: Node) -> bool:
        if super().declares(node):
            return True
        # Beside a new name, `:=` may give an old one a value; in another block it would be new as well.
        left = node.get("left") if node.type == "short_var_declaration" else None
        return (
            any(leaf.binding is not None and leaf.binding.uses[0] is not leaf for leaf in left.kids) if left else False
        )

    def single(self, node: Node) -> Node | None:
        if node.type != "short_var_declaration":
            return None
        left, right = node.kids[0], node.kids[2]
        if len(left.kids) != 1 or len(right.kids) != 1:
            return None
        binding = left.kids[0].binding
        return node if binding is not None and not binding.keep else None

    def name_in(self, declarator: Node) -> Node:
        return declarator.kids[0].kids[0]

    def value_in(self, declarator: Node) -> Node | None:
        return declarator.kids[2].kids[0]

    def value_given(self, node: Node, binding: Binding) -> Node | None:
        if node.type != "assignment_statement" or node.kids[1].text != "=":
            return None
        left, right = self.only(node.kids[0]), self.only(node.kids[2])
        return right if left.binding is binding and not uses_in(right, binding) else None

    def begin_loop(self, before: list[Node], node: Node) -> None:
        last = before[-1]
        if last.type == "assignment_statement":
            before[-1] = Node("expression_statement", kids=[last])
        super().begin_loop(before, node)
        if before and before[-1].type == "expression_statement" and before[-1].kids[0] is last:
            before[-1] = last

    def keeps_type(self, node: Node, binding: Binding, value: Node) -> bool:
        # A constant would take the type of the result.
        return (
            value.type not in self.literals and value.type != "binary_expression" and value.type != "unary_expression"
        )

    def _function_declaration(self, node: Node) -> Node:
        if node.get("result") is None:
            self.tail(node, "return_statement")
        return node

    _method_declaration = _func_literal = _function_declaration

    def is_whole(self, node: Node) -> bool:
        if node.type == "call_expression":
            return plain(node.kids[0]) in ("len", "cap") and node.kids[0].binding is None
        return super().is_whole(node)

    def is_boolean(self, node: Node) -> bool:
        return True


def _listed(node: Node, field: str | None) -> Node:
    return Node("expression_list", kids=[node.placed(None)], field=field)
