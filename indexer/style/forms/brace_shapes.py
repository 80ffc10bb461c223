"""Shapes that mean the same in languages with braces, brought into one.

What is particular to one language stands in its own `<language>_shapes.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from indexer.style.forms.bindings import Binding
from indexer.style.forms.shapes import If, Shapes, forget, own, uses_in
from indexer.style.forms.tree import Node, same, token, walk

_MIRROR = {"==": "==", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<=", "===": "===", "!==": "!=="}
_EQUAL = {"==": "!=", "!=": "==", "===": "!==", "!==": "==="}
_ORDER = {"<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_PURE = frozenset({"identifier", "this", "field_identifier", "property_identifier"})
# Expressions that are pure where what they are made of is.
_PURE_PARTS = frozenset(
    {"field_access", "member_expression", "field_expression", "selector_expression"}
    | {"array_access", "subscript_expression", "index_expression", "subscript_argument_list"}
)
_NAMED = frozenset({"identifier", "qualified_identifier", "field_access", "selector_expression"})
_C_STRENGTH = {"||": 3, "&&": 4, "|": 5, "^": 6, "&": 7, "==": 8, "!=": 8, "===": 8, "!==": 8}
_C_STRENGTH |= {"<": 9, ">": 9, "<=": 9, ">=": 9, "<<": 10, ">>": 10, ">>>": 10, "+": 11, "-": 11}
_C_STRENGTH |= {"*": 12, "/": 12, "%": 12}


class BraceShapes(Shapes):
    """What Java, JavaScript, Go, C and C++ have in common."""

    block_kind = "block"
    choice = "ternary_expression"
    strength: Mapping[str, int] = _C_STRENGTH
    closures: frozenset[str] = frozenset()
    literals: frozenset[str] = frozenset()
    zeroes: frozenset[str] = frozenset()
    declarations: frozenset[str] = frozenset()
    declarators: frozenset[str] = frozenset()
    whole_kinds: frozenset[str] = frozenset()
    number_kinds: frozenset[str] = frozenset()
    endless: frozenset[str] = frozenset({"true"})
    leaving = frozenset({"return_statement", "break_statement", "continue_statement", "throw_statement"})
    loops = frozenset({"for_statement", "while_statement"})
    syntactic = frozenset(
        {
            "if_statement",
            "while_statement",
            "do_statement",
            "switch_statement",
            "switch_expression",
            "synchronized_statement",
            "with_statement",
            "sizeof_expression",
            "new_expression",
        }
    )

    # Conditions

    def bare(self, node: Node) -> Node:
        """Return an expression without parentheses round it."""
        while node.type == "parenthesized_expression" and len(node.kids) == 3:
            node = node.kids[1]
        return node

    def headed(self, condition: Node) -> Node:
        """Return a condition as it stands in the head of a statement."""
        kids = [token("("), self.bare(condition).placed(None), token(")")]
        return Node("parenthesized_expression", kids=kids, field="condition")

    def _parenthesized_expression(self, node: Node) -> Node:
        return node.kids[1] if len(node.kids) == 3 and node.kids[1].type == "parenthesized_expression" else node

    def _binary_expression(self, node: Node) -> Node:
        """Put a literal after what it is compared with; let chains of one logical operator lean to the left."""
        if len(node.kids) != 3:
            return node
        left, operator, right = node.kids
        mirrored = _MIRROR.get(operator.text)
        if mirrored and left.type in self.literals and right.type not in self.literals:
            node.kids = [right.placed("left"), token(mirrored, "operator"), left.placed("right")]
        elif operator.text in _EQUAL and right.binding is not None and left.binding is None and _is_constant(left):
            node.kids = [right.placed("left"), operator, left.placed("right")]
        inner = self.bare(right)
        chained = inner.type == "binary_expression" and len(inner.kids) == 3 and inner.kids[1].text == operator.text
        if chained and operator.text in ("&&", "||"):
            kids = [left, token(operator.text, "operator"), inner.kids[0].placed("right")]
            first = self._binary_expression(Node("binary_expression", kids=kids))
            kids = [first.placed("left"), token(operator.text, "operator"), inner.kids[2].placed("right")]
            return self._binary_expression(Node("binary_expression", kids=kids))
        return node

    def _unary_expression(self, node: Node) -> Node:
        if len(node.kids) == 2 and node.kids[0].text == "!":
            opposite = self.opposite(self.bare(node.kids[1]))
            if opposite is not None:
                return opposite
        return node

    def opposite(self, node: Node) -> Node | None:
        """Return a comparison that is true where another is false, for all values: None if there is none."""
        if node.type != "binary_expression" or len(node.kids) != 3:
            return None
        left, operator, right = node.kids
        turned = _EQUAL.get(operator.text)
        if turned is None and operator.text in _ORDER and self.is_whole(left) and self.is_whole(right):
            turned = _ORDER[operator.text]
        if turned is None:
            return None
        return Node("binary_expression", kids=[left, token(turned, "operator"), right])

    def is_whole(self, node: Node) -> bool:
        """Return whether an expression is certainly a whole number."""
        node = self.bare(node)
        if node.type in self.literals and node.text.isdigit():
            return True
        if node.binding is not None:
            return node.binding.kind in self.whole_kinds
        if node.type == "binary_expression" and len(node.kids) == 3 and node.kids[1].text in "+-*%":
            return self.is_whole(node.kids[0]) and self.is_whole(node.kids[2])
        return False

    def is_number(self, node: Node) -> bool:
        """Return whether adding 1 to what is named is counting."""
        return node.binding is not None and node.binding.kind in self.number_kinds

    def is_boolean(self, node: Node) -> bool:
        """Return whether an expression is certainly true or false, and nothing that counts as such."""
        node = self.bare(node)
        if node.type in ("true", "false", "instanceof_expression"):
            return True
        if node.type == "unary_expression":
            return node.kids[0].text == "!"
        if node.type != "binary_expression" or len(node.kids) != 3:
            return False
        operator = node.kids[1].text
        if operator in ("&&", "||"):
            return self.is_boolean(node.kids[0]) and self.is_boolean(node.kids[2])
        return operator in _MIRROR

    def negated(self, condition: Node) -> Node:
        inner = self.bare(condition)
        if inner.type == "unary_expression" and inner.kids[0].text == "!" and len(inner.kids) == 2:
            return self.bare(inner.kids[1])
        if inner.text in ("true", "false"):
            turned = "false" if inner.text == "true" else "true"
            return Node(turned, turned)
        opposite = self.opposite(inner)
        if opposite is not None:
            return opposite
        return Node("unary_expression", kids=[token("!", "operator"), self.wrapped(inner).placed("argument")])

    def both(self, left: Node, right: Node) -> Node:
        def side(node: Node) -> Node:
            node = self.bare(node)
            tight = node.type in self.unary or (
                node.type in self.binary and self.strength_of(node) > self.strength["||"]
            )
            return node if tight else self.wrapped(node)

        kids = [side(left).placed("left"), token("&&", "operator"), side(right).placed("right")]
        return self._binary_expression(Node("binary_expression", kids=kids))

    def is_negation(self, condition: Node) -> bool:
        return condition.type == "unary_expression" and condition.kids[0].text == "!"

    # Blocks and branches

    def block(self, statements: list[Node], field: str | None = None) -> Node:
        """Return statements between braces."""
        return Node(self.block_kind, kids=[token("{"), *statements, token("}")], field=field)

    def braced(self, node: Node) -> Node:
        """Return a statement between braces, if it has none."""
        if node.type == self.block_kind:
            return node
        return self.block(self.list_of([node]), node.field)

    def said(self, block: Node) -> list[Node]:
        """Return the statements between braces."""
        return [kid for kid in block.kids if kid.named]

    def list_of(self, kids: list[Node]) -> list[Node]:
        kids = [kid for kid in kids if not self.is_empty(kid)]
        opening = kids[:1] if kids and kids[0].text == "{" and not kids[0].named else []
        closing = kids[-1:] if kids and kids[-1].text == "}" and not kids[-1].named else []
        inner = kids[len(opening) : len(kids) - len(closing)]
        single = [each for kid in inner for each in (self.separated(kid) if kid.type in self.declarations else [kid])]
        return [*opening, *super().list_of(self.sunk(single)), *closing]

    def is_empty(self, node: Node) -> bool:
        """Return whether a statement is a semicolon alone."""
        return (not node.named or node.type in ("empty_statement", "expression_statement")) and (
            node.text == ";" or (len(node.kids) == 1 and node.kids[0].text == ";")
        )

    def view_if(self, node: Node) -> If | None:
        condition, then = node.get("condition"), node.get("consequence")
        if condition is None or then is None or then.type != self.block_kind or not self.is_simple_if(node):
            return None
        other = node.get("alternative")
        if other is None:
            return If(self.bare(condition), self.said(then), None)
        return If(self.bare(condition), self.said(then), self.said(other) if other.type == self.block_kind else [other])

    def is_simple_if(self, node: Node) -> bool:
        """Return whether a branch has nothing in its head but a condition."""
        return node.get("initializer") is None and not node.has("constexpr")

    def make_if(self, branch: If) -> Node:
        kids = [token("if"), self.headed(branch.condition), self.block(branch.then, "consequence")]
        if branch.other and self.chained(branch.other):
            kids += [token("else"), branch.other[0].placed("alternative")]
        elif branch.other:
            kids += [token("else"), self.block(branch.other, "alternative")]
        return Node("if_statement", kids=kids)

    def _if_statement(self, node: Node) -> Node:
        """Put both sides between braces, but for `else if`, and leave out an other side that does nothing."""
        kids: list[Node] = []
        for kid in node.kids:
            if kid.type == "else_clause":
                kids += [token("else"), kid.kids[-1].placed("alternative")]
            else:
                kids.append(kid)
        for place, kid in enumerate(kids):
            if kid.field == "consequence":
                kids[place] = self.braced(kid)
            elif kid.field == "alternative":
                other = kid if kid.type == "if_statement" else self.braced(kid)
                if other.type == self.block_kind and len(self.said(other)) == 1:
                    only = self.said(other)[0]
                    other = only.placed("alternative") if only.type == "if_statement" else other
                kids[place] = other
        if kids[-1].type == self.block_kind and kids[-1].field == "alternative" and not self.said(kids[-1]):
            del kids[-2:]
        node.kids = kids
        return node

    # Loops

    def body_of(self, node: Node) -> list[Node] | None:
        body = node.get("body")
        return self.said(body) if body is not None and body.kids and body.kids[0].text == "{" else None

    def put_body(self, node: Node, statements: list[Node]) -> None:
        body = node.get("body")
        if body is not None:
            body.kids = [token("{"), *statements, token("}")]

    def brace_body(self, node: Node) -> None:
        """Put the body of a loop between braces, without a needless end."""
        for place, kid in enumerate(node.kids):
            if kid.field == "body":
                node.kids[place] = self.braced(kid)
        self.tail(node, "continue_statement")

    def _while_statement(self, node: Node) -> Node:
        self.brace_body(node)
        condition, body = node.get("condition"), node.get("body")
        if condition is not None and body is not None and self.bare(condition).text in self.endless:
            return self.make_for([], [], [], body)
        return node

    def _do_statement(self, node: Node) -> Node:
        for place, kid in enumerate(node.kids):
            if kid.field == "body":
                node.kids[place] = self.braced(kid)
        return node

    def _enhanced_for_statement(self, node: Node) -> Node:
        self.brace_body(node)
        return node

    _for_in_statement = _for_range_loop = _enhanced_for_statement

    def _for_statement(self, node: Node) -> Node:
        self.brace_body(node)
        body = node.get("body")
        parts = self.sections(node)
        if body is None or parts is None:
            return node
        initial, condition, update = parts
        update = [self.step(each) for each in update]
        if len(condition) == 1 and self.bare(condition[0]).text in self.endless:
            condition = []
        if condition and not initial and not update:
            return self.make_while(condition[0], self.said(body))
        return self.make_for(initial, condition, update, body)

    def sections(self, node: Node) -> list[list[Node]] | None:
        """Return what stands in the three parts of a loop's head."""
        parts: list[list[Node]] = [[]]
        inside = False
        for kid in node.kids:
            if not inside:
                inside = kid.text == "(" and not kid.named
                continue
            if kid.field == "body" or (kid.text == ")" and not kid.named):
                break
            if kid.text == ";" or kid.type == "empty_statement":
                parts.append([])
            elif kid.kids and kid.kids[-1].text == ";":
                del kid.kids[-1]
                parts[-1].append(kid.kids[0] if kid.type == "expression_statement" else kid)
                parts.append([])
            else:
                parts[-1].append(kid)
        return parts if len(parts) == 3 else None

    def make_for(self, initial: list[Node], condition: list[Node], update: list[Node], body: Node) -> Node:
        """Return a loop with three parts in its head."""
        kids = [token("for"), token("(")]
        kids += [each.placed("initializer") for each in initial] + [token(";")]
        kids += [self.bare(each).placed("condition") for each in condition] + [token(";")]
        kids += [each.placed("update") for each in update] + [token(")"), body.placed("body")]
        return Node("for_statement", kids=kids)

    def part(self, node: Node, field: str) -> list[Node]:
        """Return one part of the head of a loop that `make_for` made."""
        return [kid for kid in node.kids if kid.field == field]

    def is_infinite(self, node: Node) -> bool:
        return node.type == "for_statement" and not any(
            kid.field in ("initializer", "condition", "update") for kid in node.kids
        )

    def make_while(self, condition: Node, body: list[Node]) -> Node:
        return Node("while_statement", kids=[token("while"), self.headed(condition), self.block(body, "body")])

    def loop(self, node: Node) -> Node:
        """Return a loop in its form; one that ends by counting counts in its head."""
        node = super().loop(node)
        body, condition = self.body_of(node), node.get("condition")
        if node.type != "while_statement" or not body or condition is None:
            return node
        counted = self.counted(body[-1])
        if counted is None or not uses_in(condition, counted) or self.continues(node):
            return node
        update = body[-1].kids[0] if body[-1].type == "expression_statement" else body[-1]
        return self.make_for([], [self.bare(condition)], [update], self.block(body[:-1]))

    def counted(self, node: Node) -> Binding | None:
        """Return the name that a statement counts up or down by a number."""
        inner = node.kids[0] if node.type == "expression_statement" and node.kids else node
        if inner.type in ("update_expression", "inc_statement", "dec_statement"):
            return inner.kids[0].binding
        operator = inner.get("operator")
        if (
            inner.type in self.assigning
            and operator is not None
            and operator.text in ("+=", "-=", "*=", "/=", ">>=", "<<=")
        ):
            return self.only(inner.kids[0]).binding if self.only(inner.kids[-1]).type in self.literals else None
        return None

    assigning = frozenset({"assignment_expression", "augmented_assignment_expression", "assignment_statement"})

    def only(self, node: Node) -> Node:
        """Return the one expression of a list of them."""
        return node.kids[0] if node.type == "expression_list" and len(node.kids) == 1 else node

    def continues(self, loop: Node) -> bool:
        """Return whether something in a loop goes on with it, or with one that has a name."""
        inner = frozenset({"for_statement", "while_statement", "do_statement"})
        inner |= {"enhanced_for_statement", "for_in_statement", "for_range_loop"} | self.closures
        if any(each.type == "continue_statement" for each in own(loop, inner)):
            return True
        return any(each.type == "continue_statement" and len(each.named_kids()) for each in walk(loop))

    def closes(self, node: Node) -> bool:
        """Return whether a function is made in a loop, which may see its variable later."""
        return any(each.type in self.closures for each in walk(node))

    # Statements

    def _expression_statement(self, node: Node) -> Node:
        if node.kids:
            node.kids[0] = self.step(self.bare(node.kids[0]) if self.unwraps(node.kids[0]) else node.kids[0])
        return node

    def unwraps(self, node: Node) -> bool:
        """Return whether a statement may do without parentheses round it."""
        return self.bare(node).type in ("assignment_expression", "call_expression", "method_invocation", "identifier")

    def step(self, node: Node) -> Node:
        """Return an expression whose value is not used in its form: `x = x + 1`, `x += 1` and `++x` are `x++`."""
        if node.type == "update_expression" and len(node.kids) == 2 and node.kids[0].text in ("++", "--"):
            node.kids.reverse()
            return node
        if node.type in self.assigning and len(node.kids) == 3:
            return self.shortened(node)
        return node

    def shortened(self, node: Node) -> Node:
        left, operator, right = node.kids
        target, value = self.only(left), self.bare(self.only(right))
        sign = operator.text
        if sign == "=" and value.type == "binary_expression" and len(value.kids) == 3:
            first, inner, second = value.kids
            if self.repeats(target, first) and self.compounds(target, inner.text):
                forget(first)
                sign, value = inner.text + "=", self.bare(second)
        if sign in ("+=", "-=") and value.text == "1" and self.counts(target):
            return self.make_step(target, sign[0] * 2)
        if sign == operator.text:
            return node
        return self.make_compound(target, sign, value)

    def repeats(self, target: Node, first: Node) -> bool:
        """Return whether an operand is the target again, and reading it twice is reading it once."""
        if not same(target, first):
            return False
        return all(
            each.type in _PURE_PARTS or each.type in _PURE or each.type in self.literals or not each.named
            for each in walk(target)
        )

    def compounds(self, target: Node, operator: str) -> bool:
        """Return whether `x = x op y` may be written `x op= y`."""
        return operator in ("+", "-", "*", "/", "%", "|", "&", "^", "<<", ">>", ">>>")

    def counts(self, target: Node) -> bool:
        """Return whether `x += 1` may be written `x++`."""
        return self.is_number(target)

    def make_step(self, target: Node, sign: str) -> Node:
        return Node("update_expression", kids=[target.placed("argument"), token(sign, "operator")])

    def make_compound(self, target: Node, sign: str, value: Node) -> Node:
        kids = [target.placed("left"), token(sign, "operator"), value.placed("right")]
        return Node("assignment_expression", kids=kids)

    def is_bare(self, node: Node, kind: str) -> bool:
        return node.type == kind and not node.named_kids()

    def make_return(self, value: Node) -> Node:
        return Node("return_statement", kids=[token("return"), self.bare(value).placed(None), token(";")])

    def returned(self, node: Node) -> Node | None:
        """Return the one value that a statement returns."""
        kids = node.named_kids() if node.type == "return_statement" else []
        return kids[0] if len(kids) == 1 else None

    def split(self, node: Node) -> list[Node]:
        value = self.returned(node)
        choice = self.bare(value) if value is not None else None
        if choice is not None and choice.type == self.choice:
            condition, then, other = choice.get("condition"), choice.get("consequence"), choice.get("alternative")
            if condition is not None and then is not None and other is not None:
                first = self.list_of([self.make_return(then)])
                return [self.make_if(If(self.bare(condition), first, None)), self.make_return(other)]
        return [node]

    def separated(self, node: Node) -> list[Node]:
        """Return a declaration of several names as several declarations."""
        commas = [place for place, kid in enumerate(node.kids) if kid.text == "," and not kid.named]
        if not commas:
            return [node]
        start = next((place for place, kid in enumerate(node.kids) if self.is_declarator(kid)), None)
        if start is None or start > commas[0]:
            return [node]
        head = node.kids[:start]
        ends = [*commas, len(node.kids) - (node.kids[-1].text == ";")]
        found: list[Node] = []
        begin = start
        for end in ends:
            again = head if not found else [_copy(kid) for kid in head]
            found.append(Node(node.type, kids=[*again, *node.kids[begin:end], token(";")]))
            begin = end + 1
        return found

    def needless(self, parent: Node, node: Node, inner: Node, place: int) -> bool:
        if parent.type == "assignment_expression" and place == 0:
            return inner.type in self.primary or inner.type in self.unary
        return super().needless(parent, node, inner, place)

    def is_declarator(self, node: Node) -> bool:
        """Return whether a part of a declaration names what is declared."""
        return node.type in self.declarators or node.field == "declarator"

    def declares(self, node: Node) -> bool:
        if node.type not in self.declarations:
            return node.type.endswith(("_declaration", "_definition", "_specifier"))
        bound = [binding for binding in self.declared(node) if binding is not None]
        return not bound or any(binding.keep for binding in bound)

    def declared(self, node: Node) -> list[Binding | None]:
        """Return what a declaration binds."""
        return [self.name_in(kid).binding for kid in node.kids if self.is_declarator(kid)]

    def name_in(self, declarator: Node) -> Node:
        """Return the name that a declarator declares."""
        while declarator.kids:
            inner = declarator.get("name") or declarator.get("declarator")
            if inner is None:
                return declarator.kids[-1]
            declarator = inner
        return declarator

    def value_in(self, declarator: Node) -> Node | None:
        """Return what a declarator gives its name at once."""
        return declarator.get("value")

    def single(self, node: Node) -> Node | None:
        """Return the declarator of a declaration of one local name, whose type is an ordinary one."""
        if node.type not in self.declarations:
            return None
        found = [kid for kid in node.kids if self.is_declarator(kid)]
        if len(found) != 1:
            return None
        binding = self.name_in(found[0]).binding
        return found[0] if binding is not None and not binding.keep and self.is_ordinary(node, binding) else None

    def is_ordinary(self, node: Node, binding: Binding) -> bool:
        """Return whether declaring a name first and giving it a value later is giving it the value at once."""
        return True

    # Declarations meet what they are for

    def sunk(self, statements: list[Node]) -> list[Node]:
        """Declare names where they get their first value, if that is in the same list."""
        for node in list(statements):
            declarator = self.single(node)
            if declarator is None or self.value_in(declarator) is not None or declarator.has("="):
                continue
            binding = self.name_in(declarator).binding
            place = statements.index(node)
            later = next((each for each in statements[place + 1 :] if binding and uses_in(each, binding)), None)
            if later is None or binding is None:
                continue
            if self.begun(node, declarator, later, binding, statements):
                statements.remove(node)
        return statements

    def begun(self, node: Node, declarator: Node, later: Node, binding: Binding, statements: list[Node]) -> bool:
        """Declare a name in the statement of a list that first uses it; return whether that is possible."""
        place = statements.index(later)
        if later.type == "expression_statement" and later.kids:
            value = self.value_given(later.kids[0], binding)
            if value is not None:
                forget(later.kids[0].kids[0])
                statements[place] = self.with_value(node, declarator, value)
                return True
        alone = uses_in(later, binding) == len(binding.uses) - 1 and not self.closes(later)
        if later.type == "for_statement":
            initial = self.part(later, "initializer")
            value = self.value_given(initial[0], binding) if len(initial) == 1 else None
            if value is not None:
                forget(initial[0].kids[0])
                made = self.with_value(node, declarator, value)
                if alone:
                    made.kids = [kid for kid in made.kids if kid.text != ";"]
                    later.kids[later.kids.index(initial[0])] = made.placed("initializer")
                else:
                    later.kids.remove(initial[0])
                    statements.insert(place, made)
                return True
        body = self.body_of(later) if alone and later.type in self.loops else None
        if body and uses_in(later, binding) == sum(uses_in(each, binding) for each in body):
            first = next(each for each in body if uses_in(each, binding))
            if self.begun(node, declarator, first, binding, body):
                self.put_body(later, body)
                return True
        return False

    def value_given(self, node: Node, binding: Binding) -> Node | None:
        """Return what an assignment gives a name, where it is not made from it."""
        if node.type != "assignment_expression" or len(node.kids) != 3 or node.kids[1].text != "=":
            return None
        left, _, right = node.kids
        return right if left.binding is binding and not uses_in(right, binding) else None

    def with_value(self, node: Node, declarator: Node, value: Node) -> Node:
        """Return a declaration that gives its name a value."""
        declarator.kids = [*declarator.kids, token("="), value.placed("value")]
        return node

    def joined(self, before: list[Node], node: Node) -> bool:
        if node.type == "for_statement" and before:
            self.begin_loop(before, node)
        value = self.returned(node)
        if value is not None and value.binding is not None and before:
            return self.returned_at_once(before, node, value.binding)
        return False

    def begin_loop(self, before: list[Node], node: Node) -> None:
        """Take what gives a loop's variable its first value into the loop's head."""
        update = self.part(node, "update")
        binding = self.counted(update[0]) if len(update) == 1 else None
        if binding is None or self.part(node, "initializer") or self.part(node, "condition") == []:
            return
        last = before[-1]
        declarator = self.single(last)
        if declarator is not None and self.name_in(declarator).binding is binding:
            if self.value_in(declarator) is None or self.closes(node):
                return
            if uses_in(node, binding) + uses_in(last, binding) != len(binding.uses):
                return
            last.kids = [kid for kid in last.kids if kid.text != ";"]
            initial = last
        elif last.type == "expression_statement" and self.value_given(last.kids[0], binding) is not None:
            initial = last.kids[0]
        else:
            return
        before.pop()
        node.kids.insert(self.head_start(node), initial.placed("initializer"))

    def head_start(self, node: Node) -> int:
        """Return where the first part of a loop's head begins."""
        return 2

    def returned_at_once(self, before: list[Node], node: Node, binding: Binding) -> bool:
        """Return a value without naming it first, where the name says it nowhere else."""
        last = before[-1]
        declarator = self.single(last)
        if declarator is None or self.name_in(declarator).binding is not binding or len(binding.uses) != 2:
            return False
        value = self.value_in(declarator)
        if value is None or binding.role != "v" or not self.keeps_type(last, binding, value):
            return False
        forget(node)
        forget(last)
        for each in walk(value):
            if each.binding is not None:
                each.binding.uses.append(each)
        before.pop()
        for each in self.split(self.make_return(value)):
            before.append(each)
        return True

    def keeps_type(self, node: Node, binding: Binding, value: Node) -> bool:
        """Return whether a value is returned as the same type with and without a name."""
        return False

    def swap_returns(self, done: list[Node]) -> bool:
        if super().swap_returns(done):
            return True
        if len(done) < 2 or done[-2].type != "if_statement":
            return False
        branch, last = self.view_if(done[-2]), self.returned(done[-1])
        if branch is None or branch.other is not None or len(branch.then) != 1 or last is None:
            return False
        first = self.returned(branch.then[0])
        if first is None or {first.text, last.text} != {"true", "false"} or not self.is_boolean(branch.condition):
            return False
        condition = branch.condition if first.text == "true" else self.negated(branch.condition)
        done[-2:] = [self.make_return(condition)]
        return True


def _is_constant(node: Node) -> bool:
    """Return whether an expression is a name that is not local, or a path of such names."""
    return node.type in _NAMED and all(
        each.binding is None and (not each.kids or each.type in _NAMED) for each in walk(node)
    )


def _copy(node: Node) -> Node:
    copied = Node(node.type, node.text, [_copy(kid) for kid in node.kids], node.field, node.named)
    copied.binding = node.binding
    return copied
