"""Shapes of JavaScript and TypeScript that mean the same, brought into one."""

from __future__ import annotations

import re

from indexer.style.forms.bindings import Binding
from indexer.style.forms.brace_shapes import BraceShapes
from indexer.style.forms.literals import c_number, double_quoted
from indexer.style.forms.shapes import own, uses_in
from indexer.style.forms.tree import Node, plain, token, walk

_OWN_THIS = frozenset(
    {"function_declaration", "function_expression", "generator_function", "generator_function_declaration"}
    | {"method_definition", "class_body", "class"}
)
_FUNCTIONS = _OWN_THIS - {"class_body", "class"} | {"arrow_function"}
_BOUND_LATE = frozenset({"this", "super", "meta_property", "yield_expression"})
_IDENTIFIER = re.compile(r'"[A-Za-z_$][\w$]*"', re.A)
_WHOLE_LIMIT = 1e15


def rewrite(root: Node) -> Node:
    """Bring shapes into one."""
    return _JavaScript(root).root


class _JavaScript(BraceShapes):
    lists = frozenset({"program", "statement_block", "switch_case", "switch_default"})
    functions = _FUNCTIONS
    closures = _FUNCTIONS | {"class_body"}
    block_kind = "statement_block"
    declarations = frozenset({"lexical_declaration", "variable_declaration"})
    declarators = frozenset({"variable_declarator"})
    literals = frozenset({"number", "string", "null", "undefined"})
    unary = frozenset({"unary_expression"})
    primary = frozenset(
        {
            "identifier",
            "this",
            "call_expression",
            "member_expression",
            "subscript_expression",
            "string",
            "template_string",
            "number",
            "true",
            "false",
            "null",
            "undefined",
            "array",
            "regex",
        }
    )
    closed = frozenset({"sequence_expression", "yield_expression"})
    open_places = frozenset(
        {"return_statement", "arguments", "variable_declarator", "array", "pair", "throw_statement"}
        | {"parenthesized_expression", "assignment_expression", "template_substitution"}
    )
    commas = frozenset({"arguments", "formal_parameters", "object", "object_pattern", "array", "named_imports"})

    def __init__(self, root: Node) -> None:
        self.values = _values(root)
        super().__init__(root)

    def needless(self, parent: Node, node: Node, inner: Node, place: int) -> bool:
        kind = parent.type
        if kind in ("call_expression", "member_expression", "subscript_expression") and (
            place == 0 or kind != "subscript_expression"
        ):
            chained = any(each.type == "optional_chain" for each in walk(inner))
            return inner.type in self.primary and inner.type != "number" and not chained
        if kind == "subscript_expression":
            return inner.type not in self.closed
        if kind == "arrow_function":
            return inner.type in self.primary
        if kind == "expression_statement":
            return inner.type in ("call_expression", "assignment_expression", "augmented_assignment_expression") and (
                next(each for each in walk(inner) if not each.kids).type
                not in ("{", "function", "class", "async", "let")
            )
        if kind == "binary_expression":
            operator = parent.get("operator")
            if operator is not None and operator.text in ("**", "??", "in"):
                return inner.type in self.primary
        if inner.type == "binary_expression" and self.strength_of(inner) == 0 and kind == "binary_expression":
            return False
        return super().needless(parent, node, inner, place)

    # Literals and names

    def _number(self, node: Node) -> Node:
        if node.text.lower().endswith("n"):
            return node
        text = c_number(node.text, "_", "", "", old_octal=True)
        value = float(text) if re.fullmatch(r"[\d.e+-]+", text) else 0.5
        node.text = str(int(value)) if value.is_integer() and abs(value) < _WHOLE_LIMIT else text
        return node

    def _string(self, node: Node) -> Node:
        if node.text[:1] in ("'", '"'):
            node.text = double_quoted(node.text[1:-1])
        return node

    def _template_string(self, node: Node) -> Node:
        if any(kid.type == "template_substitution" for kid in node.kids):
            return node
        inner = "".join(kid.text for kid in node.kids)[1:-1]
        return node if set(inner) & set("\n\r\\$") else Node("string", double_quoted(inner))

    def _shorthand_property_identifier(self, node: Node) -> Node:
        """Write `{a}` as `{a: a}`, so that the property keeps its name."""
        value = Node("identifier", node.text, field="value")
        return self.expanded("pair", node, value)

    def _shorthand_property_identifier_pattern(self, node: Node) -> Node:
        value = Node("identifier", node.text, field="value")
        return self.expanded("pair_pattern", node, value)

    def expanded(self, kind: str, node: Node, value: Node) -> Node:
        value.binding = node.binding
        if node.binding is not None:
            node.binding.uses = [value if use is node else use for use in node.binding.uses]
        return Node(kind, kids=[Node("property_identifier", node.text, field="key"), token(":"), value])

    def _object_assignment_pattern(self, node: Node) -> Node:
        """Write `{a = 1}` as `{a: a = 1}`."""
        left = node.kids[0]
        if left.type != "pair_pattern":
            return node
        kids = [left.kids[2].placed("left"), *node.kids[1:]]
        return Node("pair_pattern", kids=[*left.kids[:2], Node("assignment_pattern", kids=kids, field="value")])

    def _pair(self, node: Node) -> Node:
        key = node.kids[0]
        if key.type == "string" and _IDENTIFIER.fullmatch(key.text):
            node.kids[0] = Node("property_identifier", key.text[1:-1], field="key")
        return node

    _pair_pattern = _pair

    def is_number(self, node: Node) -> bool:
        if node.binding is None:
            return False
        values = self.values.get(node.binding)
        return bool(values) and values is not None and None not in values

    def shortened(self, node: Node) -> Node:
        # Taking 1 away makes a number of anything; adding it may make a longer text.
        node = super().shortened(node)
        taken = len(node.kids) == 3 and node.kids[1].text == "-=" and node.kids[2].text == "1"
        return self.make_step(node.kids[0], "--") if taken else node

    def is_whole(self, node: Node) -> bool:
        node = self.bare(node)
        if node.type == "number":
            return node.text.isdigit()
        if node.binding is not None:
            values = self.values.get(node.binding)
            return bool(values) and all(value is not None and value.isdigit() for value in values or ())
        return node.type == "member_expression" and plain(node).endswith(". length") and not node.has("?.")

    # Functions

    def _arrow_function(self, node: Node) -> Node:
        """Give a function brackets round its parameters, and a body that returns."""
        parameter, body = node.get("parameter"), node.get("body")
        if parameter is not None:
            kids = [token("("), parameter.placed(None), token(")")]
            node.kids[node.kids.index(parameter)] = Node("formal_parameters", kids=kids, field="parameters")
        if body is not None and body.type != "statement_block":
            node.kids[-1] = self.block(self.list_of([self.make_return(body)]), "body")
        self.tail(node, "return_statement")
        return node

    def _function_expression(self, node: Node) -> Node:
        """Write a function without `this` as an arrow."""
        self.tail(node, "return_statement")
        name = node.get("name")
        named = name is not None and (name.binding is None or len(name.binding.uses) > 1)
        if named or _minds(node):
            return node
        kids = [kid for kid in node.kids if kid.text != "function" and kid.field != "name"]
        kids.insert(len(kids) - 1, token("=>"))
        return Node("arrow_function", kids=kids)

    def _function_declaration(self, node: Node) -> Node:
        self.tail(node, "return_statement")
        return node

    _method_definition = _function_declaration

    def _lexical_declaration(self, node: Node) -> Node:
        """Write a constant function as a declared one; every other variable with `let`."""
        found = [kid for kid in node.kids if kid.type == "variable_declarator"]
        if len(found) == 1 and node.kids[0].text == "const" and len(found[0].kids) == 3:
            name, _, value = found[0].kids
            if value.type == "arrow_function" and name.type == "identifier" and not _minds(value):
                if name.binding is not None:
                    name.binding.keep = True
                kids = [kid for kid in value.kids if kid.text != "=>"]
                place = 1 if kids[0].text == "async" else 0
                kids[place:place] = [token("function"), name.placed("name")]
                return Node("function_declaration", kids=kids)
        if node.kids[0].text == "const":
            node.kids[0] = token("let", "kind")
        return node

    def _for_in_statement(self, node: Node) -> Node:
        for place, kid in enumerate(node.kids):
            if kid.field == "kind" and kid.text == "const":
                node.kids[place] = token("let", "kind")
        self.brace_body(node)
        return node

    def _for_statement(self, node: Node) -> Node:
        initial = node.get("initializer")
        if initial is not None and initial.type == "variable_declaration" and not self.closes(node):
            names = [self.name_in(kid).binding for kid in initial.kids if kid.type == "variable_declarator"]
            if all(name is not None and not name.keep and uses_in(node, name) == len(name.uses) for name in names):
                self.loosen(initial)
        return super()._for_statement(node)

    def loosen(self, node: Node) -> None:
        """Make a `var` a `let`."""
        node.type = "lexical_declaration"
        node.kids[0] = token("let", "kind")

    def sunk(self, statements: list[Node]) -> list[Node]:
        """Declare with `let` what one list of statements alone uses, where no function could see it otherwise."""
        for place, node in enumerate(statements):
            if node.type != "variable_declaration":
                continue
            names = [kid.get("name") for kid in node.kids if kid.type == "variable_declarator"]
            if all(name is not None and self.is_local(name, statements, place) for name in names):
                self.loosen(node)
        return super().sunk(statements)

    def is_local(self, name: Node, statements: list[Node], place: int) -> bool:
        """Return whether a name is used in the statements from one on alone, and bound there once."""
        binding = name.binding
        if binding is None or binding.keep or not self.around:
            return False
        later = statements[place:]
        if sum(uses_in(each, binding) for each in later) != len(binding.uses):
            return False
        if (
            sum(
                each.type == "variable_declarator" and each.get("name") is not None and each.kids[0].binding is binding
                for statement in later
                for each in walk(statement)
            )
            != 1
        ):
            return False
        function = self.function_around()
        direct = function is not None and function.get("body") is self.owner
        valued = all(
            kid.get("value") is not None for kid in statements[place].kids if kid.type == "variable_declarator"
        )
        return direct or (valued and not any(map(self.closes, later)))

    def keeps_type(self, node: Node, binding: Binding, value: Node) -> bool:
        declarator = self.single(node)
        return declarator is not None and len(declarator.kids) == 3

    def make_return(self, value: Node) -> Node:
        return self._return_statement(super().make_return(value))

    def _return_statement(self, node: Node) -> Node:
        value = self.returned(node)
        if value is not None and value.type == "undefined":
            node.kids = [token("return"), token(";")]
        return node

    def _export_statement(self, node: Node) -> Node:
        value = node.get("value")
        ended = node.kids[-1].text == ";" or node.get("declaration") is not None
        if not ended and (value is None or value.type not in _FUNCTIONS | {"class"}):
            node.kids.append(token(";"))
        return node

    def _interface_body(self, node: Node) -> Node:
        node.kids = [kid for kid in node.kids if kid.text not in (",", ";")]
        return node

    _object_type = _interface_body

    def _jsx_text(self, node: Node) -> Node:
        """Break text where JSX does not see it: at line breaks with what is round them."""
        lines = node.text.split("\n")
        lines[1:] = [line.lstrip(" \t\r") for line in lines[1:]]
        lines[:-1] = [line.rstrip(" \t\r") for line in lines[:-1]]
        node.text = " ".join(line for line in lines if line)
        return node


def _minds(node: Node) -> bool:
    """Return whether a function needs to be one of its kind: for `this` and the like, or since it is a generator."""
    if node.has("*"):
        return True
    return any(
        each.type in _BOUND_LATE or (each.type == "identifier" and each.text == "arguments")
        for each in own(node, _OWN_THIS)
    )


def _values(root: Node) -> dict[Binding, list[str | None]]:
    """Return the numbers that each local name is given; None stands for anything else."""
    found: dict[Binding, list[str | None]] = {}
    for node in walk(root):
        kind = node.type
        if kind == "variable_declarator" and (name := node.get("name")) is not None and name.binding is not None:
            value = node.get("value")
            found.setdefault(name.binding, []).append(value.text if value and value.type == "number" else None)
        elif kind == "assignment_expression" and node.kids[0].binding is not None:
            right = node.kids[-1]
            found.setdefault(node.kids[0].binding, []).append(_number(node.kids[0].binding, right))
        elif kind == "augmented_assignment_expression" and node.kids[0].binding is not None:
            right, sign = node.kids[-1], node.kids[1].text
            counted = sign in ("+=", "-=") and right.type == "number"
            found.setdefault(node.kids[0].binding, []).append(right.text if counted else None)
        elif kind in ("for_in_statement", "catch_clause") or kind.endswith("_pattern"):
            for leaf in node.kids:
                if leaf.binding is not None:
                    found.setdefault(leaf.binding, []).append(None)
    return {binding: values for binding, values in found.items() if binding.role == "v" and not binding.keep}


def _number(binding: Binding, value: Node) -> str | None:
    if value.type == "number":
        return value.text
    if value.type == "binary_expression" and value.kids[0].binding is binding and value.kids[1].text in ("+", "-"):
        return value.kids[2].text if value.kids[2].type == "number" else None
    return None
