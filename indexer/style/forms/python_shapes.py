"""Shapes of Python that mean the same, brought into one."""

from __future__ import annotations

from indexer.style.forms.bindings import Binding
from indexer.style.forms.literals import python_number, python_value
from indexer.style.forms.shapes import If, Shapes, forget, uses_in
from indexer.style.forms.tree import Node, leaves, plain, token, walk

_STRINGS = frozenset({"string", "concatenated_string"})
_OPPOSITE = {"in": "not in", "not in": "in", "is": "is not", "is not": "is"}
_EQUAL = {"==": "!=", "!=": "=="}
_COMPARED = frozenset({"==", "!=", "<", "<=", ">", ">="})
_MIRROR = {"==": "==", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
_NUMBERS = frozenset({"integer", "float"})
_LITERALS = _NUMBERS | {"string", "none", "true", "false"}
_OWN_SCOPE = frozenset({"function_definition", "lambda", "class_definition"})
_LATE = frozenset({"await", "yield", "lambda", "named_expression", "function_definition", "class_definition"})
_BOXES = {"[ ]": "list_comprehension", "list ( )": "list_comprehension", "set ( )": "set_comprehension"}
_DICTS = frozenset({"{ }", "dict ( )"})
_ADDING = {"list_comprehension": "append", "set_comprehension": "add"}
_BRACKETS = {
    "list_comprehension": ("[", "]"),
    "set_comprehension": ("{", "}"),
    "dictionary_comprehension": ("{", "}"),
}
_PRIMARY = frozenset(
    {
        "identifier",
        "call",
        "attribute",
        "subscript",
        "list",
        "tuple",
        "set",
        "dictionary",
        "list_comprehension",
        "set_comprehension",
        "dictionary_comprehension",
        "generator_expression",
        "string",
        "none",
        "true",
        "false",
    }
)
_ARITHMETIC = {"|": 7, "^": 8, "&": 9, "<<": 10, ">>": 10, "+": 11, "-": 11, "*": 12, "/": 12, "//": 12, "%": 12}
_ARITHMETIC["@"] = 12


def rewrite(root: Node) -> Node:
    """Bring shapes into one."""
    return _Python(root).root


class _Python(Shapes):
    lists = frozenset({"module", "block"})
    leaving = frozenset({"return_statement", "break_statement", "continue_statement", "raise_statement"})
    functions = frozenset({"function_definition", "lambda"})
    primary = _PRIMARY
    closed = frozenset({"yield", "named_expression", "list_splat", "dictionary_splat"})
    open_places = frozenset(
        {
            "return_statement",
            "assignment",
            "augmented_assignment",
            "expression_statement",
            "argument_list",
            "list",
            "tuple",
            "set",
            "expression_list",
            "pair",
            "keyword_argument",
            "if_statement",
            "elif_clause",
            "while_statement",
            "for_statement",
            "raise_statement",
            "assert_statement",
            "subscript",
            "default_parameter",
            "print_statement",
        }
    )
    binary = frozenset({"binary_operator", "comparison_operator", "boolean_operator", "not_operator"})
    unary = frozenset({"unary_operator"})
    commas = frozenset({"argument_list", "parameters", "list", "set", "dictionary"})

    def __init__(self, root: Node) -> None:
        self.values = _values(root)
        super().__init__(root)

    # Expressions

    def strength_of(self, node: Node) -> int:
        kind, operator = node.type, node.get("operator")
        if kind == "boolean_operator" and operator is not None:
            return 4 if operator.text == "and" else 3
        if kind == "comparison_operator":
            return 6
        if kind == "not_operator":
            return 5
        return _ARITHMETIC.get(operator.text, 0) if operator is not None else 0

    def needless(self, parent: Node, node: Node, inner: Node, place: int) -> bool:
        kind = parent.type
        if kind == "subscript" and place == 0:
            return inner.type in self.primary
        if kind in ("for_statement", "expression_list", "assignment") and inner.type in ("lambda", "yield"):
            return kind != "for_statement" and inner.type == "lambda"
        if kind == "not_operator" and self.strength_of(inner) >= 5:
            return True
        if kind == "comparison_operator" and inner.type == "comparison_operator":
            return False
        if kind == "binary_operator" and plain(parent.get("operator") or node) == "**":
            return inner.type in self.primary
        return super().needless(parent, node, inner, place)

    def _parenthesized_expression(self, node: Node) -> Node:
        return node.kids[1] if len(node.kids) == 3 and node.kids[1].type == "parenthesized_expression" else node

    def _integer(self, node: Node) -> Node:
        node.text = python_number(node.text)
        return node

    _float = _integer

    def _string(self, node: Node) -> Node:
        """Write a string without interpolation as Python itself would."""
        parts = [leaf.text for leaf in leaves(node)]
        if any(kid.type == "interpolation" for kid in node.kids):
            return self.interpolated(node)
        text = "".join(parts)
        prefix = parts[0].rstrip("'\"").lower()
        if "f" in prefix or "t" in prefix:
            return self.interpolated(node)
        inner = "".join(parts[1:-1])
        if not prefix and "\\" not in inner and "'" not in inner and "\n" not in inner and "\r" not in inner:
            shown: str | None = f"'{inner}'" if inner.isprintable() else None
            if shown is not None:
                return Node("string", shown)
        value = python_value(text)
        return Node("string", text if value is None else repr(value))

    def interpolated(self, node: Node) -> Node:
        """Give a string with interpolations the common quotes, where nothing in it minds."""
        start, end = node.kids[0], node.kids[-1]
        inside = "".join(leaf.text for kid in node.kids[1:-1] for leaf in leaves(kid))
        prefix = start.text.rstrip("'\"").lower()
        if not set(inside) & set("'\"\\\n"):
            start.text, end.text = prefix + "'", "'"
        return node

    def _concatenated_string(self, node: Node) -> Node:
        """Join neighbouring strings of one kind."""
        values = [python_value(kid.text) if not kid.kids else None for kid in node.kids]
        if all(isinstance(value, str) for value in values):
            return Node("string", repr("".join(value for value in values if isinstance(value, str))))
        if all(isinstance(value, bytes) for value in values):
            return Node("string", repr(b"".join(value for value in values if isinstance(value, bytes))))
        return node

    def _not_operator(self, node: Node) -> Node:
        inner = self.bare(node.kids[-1])
        opposite = self.opposite(inner)
        return opposite if opposite is not None else node

    def bare(self, node: Node) -> Node:
        """Return an expression without parentheses round it."""
        while node.type == "parenthesized_expression" and len(node.kids) == 3:
            node = node.kids[1]
        return node

    def opposite(self, node: Node) -> Node | None:
        """Return a comparison that is true where another is false, for all values: None if there is none."""
        if node.type != "comparison_operator" or len(node.kids) != 3:
            return None
        left, operator, right = node.kids
        text = plain(operator)
        turned = _OPPOSITE.get(text)
        if turned is None and text in _EQUAL and (self.is_plain(left) or self.is_plain(right)):
            turned = _EQUAL[text]
        if turned is None and text in _COMPARED and self.is_whole(left) and self.is_whole(right):
            turned = {"<": ">=", ">=": "<", ">": "<=", "<=": ">"}.get(text)
        if turned is None:
            return None
        return Node("comparison_operator", kids=[left, Node(turned, turned, field="operators", named=False), right])

    def is_plain(self, node: Node) -> bool:
        """Return whether an expression is a number or string, so that equality is the usual one."""
        return node.type in ("integer", "float", "string") or self.is_whole(node)

    def is_whole(self, node: Node) -> bool:
        """Return whether an expression is certainly a whole number."""
        node = self.bare(node)
        if node.type == "integer":
            return True
        if node.type == "call":
            return plain(node.kids[0]) == "len" and node.kids[0].binding is None
        if node.type == "binary_operator" and plain(node.get("operator") or node) in ("+", "-", "*", "//", "%"):
            return self.is_whole(node.kids[0]) and self.is_whole(node.kids[2])
        values = self.values.get(node.binding) if node.binding is not None else None
        return bool(values) and all(value is not None and value.type == "integer" for value in values or ())

    def _comparison_operator(self, node: Node) -> Node:
        """Put a literal after what it is compared with."""
        if len(node.kids) == 3:
            left, operator, right = node.kids
            mirrored = _MIRROR.get(operator.text)
            if mirrored and left.type in _LITERALS and right.type not in _LITERALS and not right.type.startswith("un"):
                right.field, left.field = None, None
                node.kids = [right, Node(mirrored, mirrored, field="operators", named=False), left]
        return node

    def _boolean_operator(self, node: Node) -> Node:
        """Let chains of one operator lean to the left."""
        left, operator, right = node.kids
        inner = self.bare(right)
        if inner.type == "boolean_operator" and inner.kids[1].text == operator.text:
            first = Node("boolean_operator", kids=[left, operator, inner.kids[0].placed("right")], field="left")
            return self._boolean_operator(
                Node("boolean_operator", kids=[self._boolean_operator(first), inner.kids[1], inner.kids[2]])
            )
        return node

    def _call(self, node: Node) -> Node:
        """Leave out what `range` takes for granted, and write empty boxes as literals."""
        function, arguments = node.kids[0], node.kids[-1]
        if function.type != "identifier" or function.binding is not None or arguments.type != "argument_list":
            return node
        given = [kid for kid in arguments.kids if kid.named]
        if function.text == "range":
            if len(given) == 3 and given[2].text == "1":
                del arguments.kids[-3:-1]
                given = given[:2]
            if len(given) == 2 and given[0].text == "0" and all(kid.type != "list_splat" for kid in given):
                del arguments.kids[1:3]
        elif not given and function.text == "list":
            return Node("list", kids=[token("["), token("]")])
        elif not given and function.text == "dict":
            return Node("dictionary", kids=[token("{"), token("}")])
        elif not given and function.text == "tuple":
            return Node("tuple", kids=[token("("), token(")")])
        return node

    def _expression_list(self, node: Node) -> Node:
        """Write every tuple with its brackets."""
        if any(kid.type in ("list_splat", "yield") for kid in node.kids):
            return node
        return Node("tuple", kids=[token("("), *node.kids, token(")")])

    def _tuple(self, node: Node) -> Node:
        if len(node.kids) > 4 and node.kids[-2].text == ",":
            del node.kids[-2]
        return node

    def _tuple_pattern(self, node: Node) -> Node:
        if len(node.kids) > 4 and node.kids[-2].text == ",":
            del node.kids[-2]
        return node

    # Statements

    def _assignment(self, node: Node) -> Node:
        """Write a number's `x = x + y` as `x += y`, and a tuple of targets without brackets."""
        left, right = node.get("left"), node.get("right")
        if left is None or right is None:
            return node
        if left.type == "tuple_pattern":
            node.kids[0] = left = Node("pattern_list", kids=left.kids[1:-1], field="left")
        if len(node.kids) != 3 or right.type != "binary_operator" or left.binding is None:
            return node
        first, operator, second = right.kids
        if first.binding is left.binding and self.is_number(left.binding):
            forget(first)
            sign = operator.text + "="
            kids = [left, token(sign, "operator"), self.bare(second).placed("right")]
            return Node("augmented_assignment", kids=kids)
        return node

    def is_number(self, binding: Binding) -> bool:
        """Return whether a name begins as a number, and nothing else shares it."""
        values = self.values.get(binding)
        return bool(values) and values is not None and values[0] is not None and None not in values

    def _for_statement(self, node: Node) -> Node:
        left = node.get("left")
        if left is not None and left.type == "tuple_pattern":
            place = node.kids.index(left)
            node.kids[place] = Node("pattern_list", kids=left.kids[1:-1], field="left")
        self.tail(node, "continue_statement")
        return node

    def _for_in_clause(self, node: Node) -> Node:
        for place, kid in enumerate(node.kids):
            if kid.field == "left" and kid.type == "tuple_pattern":
                node.kids[place] = Node("pattern_list", kids=kid.kids[1:-1], field="left")
        return node

    def _while_statement(self, node: Node) -> Node:
        condition = node.get("condition")
        if condition is not None and condition.text == "1":
            node.kids[node.kids.index(condition)] = Node("true", "True", field="condition")
        self.tail(node, "continue_statement")
        return node

    def _function_definition(self, node: Node) -> Node:
        self.tail(node, "return_statement")
        return node

    def _return_statement(self, node: Node) -> Node:
        if len(node.kids) == 2 and node.kids[1].type == "none":
            node.kids = node.kids[:1]
        return node

    def list_of(self, kids: list[Node]) -> list[Node]:
        """Return statements in their form, without those that do nothing."""
        doing = [kid for kid in kids if not _is_idle(kid) and (kid.named or kid.text not in (";", "\n"))]
        return super().list_of(doing) if doing else [Node("pass_statement", kids=[token("pass")])]

    # The words of the shared steps

    def view_if(self, node: Node) -> If | None:
        condition, then = node.get("condition"), node.get("consequence")
        if condition is None or then is None:
            return None
        others = [kid for kid in node.kids if kid.type in ("elif_clause", "else_clause")]
        return If(condition, self.said(then), self.other_side(others))

    def other_side(self, clauses: list[Node]) -> list[Node] | None:
        if not clauses:
            return None
        first = clauses[0]
        if first.type == "else_clause":
            body = first.get("body")
            return self.said(body) if body is not None else []
        kids = [token("if"), *first.kids[1:], *(kid.placed("alternative") for kid in clauses[1:])]
        return [Node("if_statement", kids=kids)]

    def said(self, block: Node) -> list[Node]:
        """Return what a block does, nothing where it says so."""
        return [kid for kid in block.kids if kid.type != "pass_statement"]

    def block(self, statements: list[Node], field: str) -> Node:
        kids = statements or [Node("pass_statement", kids=[token("pass")])]
        return Node("block", kids=kids, field=field)

    def make_if(self, branch: If) -> Node:
        kids = [
            token("if"),
            self.bare(branch.condition).placed("condition"),
            token(":"),
            self.block(branch.then, "consequence"),
        ]
        if branch.other and self.chained(branch.other):
            inner = branch.other[0]
            clause = [kid for kid in inner.kids if kid.type not in ("elif_clause", "else_clause")]
            kids.append(Node("elif_clause", kids=[token("elif"), *clause[1:]], field="alternative"))
            kids.extend(inner.kids[len(clause) :])
        elif branch.other:
            kids.append(
                Node(
                    "else_clause",
                    kids=[token("else"), token(":"), self.block(branch.other, "body")],
                    field="alternative",
                )
            )
        return Node("if_statement", kids=kids)

    def _if_statement(self, node: Node) -> Node:
        """Write `else: if` as `elif`, and no other side that does nothing."""
        branch = self.view_if(node)
        if branch is None:
            return node
        last = node.kids[-1]
        if last.type == "else_clause" and len(node.kids) > 5:
            body = last.get("body")
            if body is not None and (not self.said(body) or (self.chained(self.said(body)))):
                inner = self.said(body)
                del node.kids[-1]
                if inner:
                    parts = [kid for kid in inner[0].kids if kid.type not in ("elif_clause", "else_clause")]
                    node.kids.append(Node("elif_clause", kids=[token("elif"), *parts[1:]], field="alternative"))
                    node.kids.extend(inner[0].kids[len(parts) :])
            return node
        return self.make_if(branch) if branch.other is not None and last.type == "else_clause" else node

    def body_of(self, node: Node) -> list[Node] | None:
        body = node.get("body")
        return self.said(body) if body is not None and body.type == "block" else None

    def put_body(self, node: Node, statements: list[Node]) -> None:
        body = node.get("body")
        if body is not None:
            body.kids = self.block(statements, "body").kids

    def negated(self, condition: Node) -> Node:
        inner = self.bare(condition)
        if inner.type == "not_operator":
            return self.bare(inner.kids[-1])
        opposite = self.opposite(inner)
        if opposite is not None:
            return opposite
        tight = inner.type in ("comparison_operator", "binary_operator", "unary_operator", "await")
        return Node("not_operator", kids=[token("not"), (inner if tight else self.wrapped(inner)).placed("argument")])

    def both(self, left: Node, right: Node) -> Node:
        loose = frozenset({"conditional_expression", "lambda", "named_expression", "yield"})

        def side(node: Node) -> Node:
            node = self.bare(node)
            needs = node.type in loose or (node.type == "boolean_operator" and node.kids[1].text == "or")
            return self.wrapped(node) if needs else node

        kids = [side(left).placed("left"), token("and", "operator"), side(right).placed("right")]
        return self._boolean_operator(Node("boolean_operator", kids=kids))

    def is_infinite(self, node: Node) -> bool:
        condition = node.get("condition")
        endless = node.type == "while_statement" and condition is not None and condition.type == "true"
        return endless and node.kids[-1].field == "body"

    def make_while(self, condition: Node, body: list[Node]) -> Node:
        kids = [token("while"), condition.placed("condition"), token(":"), self.block(body, "body")]
        return Node("while_statement", kids=kids)

    def declares(self, node: Node) -> bool:
        return False

    def is_bare(self, node: Node, kind: str) -> bool:
        return node.type == kind and len(node.kids) <= 1

    def is_negation(self, condition: Node) -> bool:
        return condition.type == "not_operator"

    def split(self, node: Node) -> list[Node]:
        if node.type != "return_statement" or len(node.kids) != 2:
            return [node]
        choice = self.bare(node.kids[1])
        if choice.type != "conditional_expression" or len(choice.kids) != 5:
            return [node]
        then, _, condition, _, other = choice.kids
        given = self._return_statement(Node("return_statement", kids=[token("return"), self.bare(then)]))
        last = Node("return_statement", kids=[token("return"), self.bare(other)])
        return [self.make_if(If(condition, self.list_of([given]), None)), self._return_statement(last)]

    def joined(self, before: list[Node], node: Node) -> bool:
        if not before:
            return False
        if node.type == "return_statement" and len(node.kids) == 2:
            return self.returned_at_once(before, node)
        if node.type == "for_statement":
            return self.collected(before, node)
        return False

    def returned_at_once(self, before: list[Node], node: Node) -> bool:
        """Return a value without naming it first, where the name says it nowhere else."""
        assignment = _assigned(before[-1])
        binding = node.kids[1].binding
        if assignment is None or binding is None or binding.keep or binding.role != "v":
            return False
        if assignment.kids[0].binding is not binding or len(binding.uses) != 2 or len(assignment.kids) != 3:
            return False
        value = assignment.kids[2]
        if value.type in ("assignment", "augmented_assignment", "yield"):
            return False
        forget(assignment.kids[0])
        forget(node.kids[1])
        made = self.split(self._return_statement(Node("return_statement", kids=[token("return"), self.bare(value)])))
        before[-1:] = made
        return True

    def collected(self, before: list[Node], loop: Node) -> bool:
        """Write a box that a loop fills as a comprehension, where the loop does nothing else."""
        assignment = _assigned(before[-1])
        if assignment is None or len(assignment.kids) != 3 or self.is_guarded():
            return False
        box, empty = assignment.kids[0].binding, plain(assignment.kids[2])
        clauses = self.clauses(loop)
        if box is None or box.keep or clauses is None or uses_in(loop, box) != 1 or self.function_around() is None:
            return False
        if self.is_seen_elsewhere(box):
            return False
        *parts, last = clauses
        kind = _BOXES.get(empty, "dictionary_comprehension" if empty in _DICTS else "")
        element = self.added(last, box, kind)
        bound = [leaf.binding for clause in parts if clause.type == "for_in_clause" for leaf in walk(clause.kids[1])]
        if element is None or any(each is not None and not self.stays(each, loop) for each in bound):
            return False
        for leaf in walk(last):
            if leaf.binding is box:
                forget(leaf)
        opening, closing = _BRACKETS[kind]
        assignment.kids[2] = Node(kind, kids=[token(opening), element, *parts, token(closing)], field="right")
        return True

    def is_seen_elsewhere(self, box: Binding) -> bool:
        """Return whether a function inside this one uses a name, and could see it half filled."""
        function = self.function_around()
        nested = (
            (each for each in walk(function) if each.type in _OWN_SCOPE and each is not function) if function else ()
        )
        return any(uses_in(each, box) for each in nested)

    def stays(self, binding: Binding, loop: Node) -> bool:
        """Return whether a loop's variable is used in the loop alone."""
        return not binding.keep and binding.role == "v" and uses_in(loop, binding) == len(binding.uses)

    def clauses(self, loop: Node) -> list[Node] | None:
        """Return the clauses that loops and conditions nested in each other are, and the one statement inside."""
        found: list[Node] = []
        node = loop
        while True:
            if node.type == "for_statement" and node.kids[0].text == "for" and node.kids[-1].field == "body":
                left, right = node.get("left"), node.get("right")
                if left is None or right is None or any(each.type in ("attribute", "subscript") for each in walk(left)):
                    return None
                wanted = self.wrapped(right) if right.type in ("conditional_expression", "lambda") else right
                kids = [token("for"), left, token("in"), wanted.placed("right")]
                found.append(Node("for_in_clause", kids=kids))
                inner = self.body_of(node)
            elif node.type == "if_statement" and (branch := self.view_if(node)) is not None and branch.other is None:
                condition = branch.condition
                loose = condition.type in ("conditional_expression", "lambda", "named_expression")
                found.append(Node("if_clause", kids=[token("if"), self.wrapped(condition) if loose else condition]))
                inner = branch.then
            else:
                found.append(node)
                break
            if inner is None or len(inner) != 1:
                return None
            node = inner[0]
        return None if any(each.type in _LATE for each in walk(loop)) else found

    def added(self, node: Node, box: Binding, kind: str) -> Node | None:
        """Return what one statement adds to a box, None where it does something else."""
        if node.type != "expression_statement" or len(node.kids) != 1 or not kind:
            return None
        inner = node.kids[0]
        if kind == "dictionary_comprehension":
            return self.entry(inner, box)
        if inner.type != "call" or inner.kids[0].type != "attribute" or inner.kids[-1].type != "argument_list":
            return None
        owner, method = inner.kids[0].kids[0], inner.kids[0].kids[-1]
        given = [kid for kid in inner.kids[-1].kids if kid.named]
        if owner.binding is not box or method.text != _ADDING[kind] or len(given) != 1:
            return None
        return None if given[0].type in ("list_splat", "keyword_argument", "dictionary_splat") else given[0]

    def entry(self, node: Node, box: Binding) -> Node | None:
        """Return the pair that an assignment to a dictionary's key puts there."""
        if node.type != "assignment" or len(node.kids) != 3 or node.kids[0].type != "subscript":
            return None
        target, value = node.kids[0], node.kids[2]
        if target.kids[0].binding is not box or len(target.kids) != 4 or target.kids[2].type in ("slice", "tuple"):
            return None
        # Here the value comes before the key, in a comprehension after it.
        if target.kids[2].type != "identifier" and value.type not in ("identifier", *_LITERALS):
            return None
        if value.type in ("assignment", "augmented_assignment"):
            return None
        return Node("pair", kids=[target.kids[2].placed("key"), token(":"), value.placed("value")], field="body")


def _is_idle(node: Node) -> bool:
    """Return whether a statement does nothing: a text that stands alone, or `pass`."""
    if node.type == "pass_statement":
        return True
    if node.type == "expression_statement" and len(node.kids) == 1:
        node = node.kids[0]
    return node.type in _STRINGS and not any(each.type == "interpolation" for each in walk(node))


def _assigned(node: Node) -> Node | None:
    """Return the plain assignment to one name that a statement is."""
    inner = node.kids[0] if node.type == "expression_statement" and len(node.kids) == 1 else node
    return inner if inner.type == "assignment" and inner.kids[0].type == "identifier" else None


def _values(root: Node) -> dict[Binding, list[Node | None]]:
    """Return the numbers that each local name is given; None stands for anything else."""
    found: dict[Binding, list[Node | None]] = {}
    for node in walk(root):
        if node.type == "assignment":
            left, right = node.get("left"), node.get("right")
            if left is not None and left.binding is not None:
                found.setdefault(left.binding, []).append(_number(left.binding, right))
                _shared(right, found)
                continue
            for leaf in walk(left) if left is not None else ():
                if leaf.binding is not None:
                    found.setdefault(leaf.binding, []).append(None)
            _shared(right, found)
        elif node.type == "augmented_assignment":
            left, right = node.get("left"), node.get("right")
            if left is not None and left.binding is not None:
                whole = right if right is not None and right.type in _NUMBERS else Node("float")
                found.setdefault(left.binding, []).append(whole)
        elif node.type in ("for_statement", "for_in_clause", "as_pattern", "named_expression", "parameters"):
            for field in ("left", "alias", "name"):
                target = node.get(field)
                for leaf in walk(target) if target is not None else ():
                    if leaf.binding is not None:
                        found.setdefault(leaf.binding, []).append(None)
    return {binding: values for binding, values in found.items() if binding.role == "v" and not binding.keep}


def _number(binding: Binding, value: Node | None) -> Node | None:
    if value is None:
        return None
    if value.type in _NUMBERS:
        return value
    if value.type == "binary_operator" and value.kids[0].binding is binding:
        second = value.kids[2]
        return second if second.type in _NUMBERS and value.kids[1].text in "+-*" else Node("float")
    return None


def _shared(value: Node | None, found: dict[Binding, list[Node | None]]) -> None:
    """Note that a value has two names."""
    if value is not None and value.binding is not None:
        found.setdefault(value.binding, []).append(None)
