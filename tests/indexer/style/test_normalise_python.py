"""Python's normal form does what the code did: both are run on the same input."""

import ast
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.style.normalise import normalise

# Each is called with two small integers and a list of them.
FUNCTIONS = [
    """
def f(a, b, items):
    found = []
    for item in items:
        if item > a:
            found.append(item - b)
    return found, item if items else None
""",
    """
def f(a, b, items):
    if not a == b:
        return "differ"
    elif a:
        return "equal"
    else:
        return None
""",
    """
def f(a, b, items):
    total = 0
    for i, x in enumerate(items):
        if x == b: continue
        total = total + (x * (a + i))
    else:
        total += 0x10
    return total
""",
    """
def f(a, b, items):
    i = 0
    while True:
        if not (i < len(items)): break
        if items[i] == a: return i
        i = i + 1
    return -1
""",
    """
def f(a, b, items):
    copy = items
    copy = copy + [a]
    same = items
    same += [b]
    return copy, same, items
""",
    """
def f(a, b, items):
    table = {}
    for item in items:
        table[item % (abs(b) + 1)] = item
    seen = set()
    for item in items: seen.add(item)
    return table, sorted(seen)
""",
    """
def f(a, b, items):
    def inner(c, a=a):
        nonlocal b
        b = b + 1
        return a - c + b
    return inner(c=b), b, [a for a in items for b in [a, a] if b], a, b
""",
    """
def f(a, b, items):
    try:
        box = []
        for item in items:
            box.append(100 // (item - a))
    except ZeroDivisionError as error:
        return type(error).__name__, box
    finally:
        items = None
    return box
""",
    """
def f(a, b, items):
    p0, v0 = b, a
    return f"{a=} {p0!r:>{5}} {'x' + str(v0)}" "tail" 'it\\'s', (lambda p0: p0 - v0)(a), b"\\x00" b'"'
""",
    """
def f(a, b, items):
    if a:
        if b:
            return (a, b)
    x = y = 0
    for x, (y) in zip(items, range(0, len(items), 1)): pass
    return x, y, -a ** 2, (-a) ** 2, not (a and b), (a or b) and items, a - (b - 1), (a - b) - 1
""",
    """
def f(a, b, items):
    it = iter(items)
    out = []
    while (n := next(it, None)) is not None:
        out.append(n)
        if n < a < b: break
    return out, 1_000, 1e3, 0b11, .5
""",
    """
def f(a, b, items):
    out = []
    for item in items:
        out.append(lambda: item)
    return [each() for each in out], locals()["a"]
""",
    """
def f(a, b, items):
    match [a, b]:
        case [0, other] if other: return "zero", other
        case [first, *rest]: return first, rest
""",
    """
def f(a, b, items):
    if a > b: return
    print_ = items.append
    print_(a)
    return items
""",
]


def outcome(text, *given):
    """Return what a function returns and what becomes of its input, or the kind of its failure."""
    names = {}
    exec(compile(text, "text", "exec"), names)
    a, b, items = given
    items = list(items)
    try:
        return names["f"](a, b, items), items
    except (ArithmeticError, LookupError, NameError, TypeError, ValueError) as error:
        return type(error), items


@pytest.mark.parametrize("text", FUNCTIONS)
def test_a_function_and_its_form_give_the_same(text):
    form = normalise(text, "python")
    assert form != text.strip()
    for given_ in itertools.product((-1, 0, 2), (0, 1), ([], [1], [0, 2, -1, 2])):
        assert outcome(form, *given_) == outcome(text, *given_)


NAMES = st.sampled_from(["a", "b", "x", "y", "items"])
ATOMS = NAMES | st.sampled_from(["0", "1", "0x2", "len(items)", "'s'", "None"])
EXPRESSIONS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "==", "<", "and", "or", "!="]), inner).map(
            lambda each: f"({each[0]} {each[1]} {each[2]})"
        ),
        inner.map(lambda each: f"(not {each})"),
        inner.map(lambda each: f"(-{each})"),
        st.tuples(inner, inner, inner).map(lambda each: f"({each[0]} if {each[1]} else {each[2]})"),
        inner.map(lambda each: f"[x for x in items if {each}]"),
    ),
    max_leaves=5,
)


def indented(lines):
    return "\n".join("    " + line for each in lines for line in each.split("\n"))


STATEMENTS = st.recursive(
    st.one_of(
        st.tuples(NAMES, EXPRESSIONS).map(lambda each: f"{each[0]} = {each[1]}"),
        st.tuples(NAMES, st.sampled_from(["+=", "-="]), EXPRESSIONS).map(" ".join),
        EXPRESSIONS.map(lambda each: f"return {each}"),
        st.just("return"),
        st.just("pass"),
        st.just("y = []\nfor x in items:\n    if x:\n        y.append((x, a))"),
        st.just("x = 0\nfor b in items:\n    if b == a:\n        continue\n    x = x + 1"),
        st.just("while True:\n    if len(items) > 3:\n        break\n    items.append(a)"),
    ),
    lambda inner: st.one_of(
        st.tuples(EXPRESSIONS, st.lists(inner, min_size=1, max_size=3)).map(
            lambda each: f"if {each[0]}:\n{indented(each[1])}"
        ),
        st.tuples(EXPRESSIONS, st.lists(inner, min_size=1, max_size=2), st.lists(inner, min_size=1, max_size=2)).map(
            lambda each: f"if {each[0]}:\n{indented(each[1])}\nelse:\n{indented(each[2])}"
        ),
        st.lists(inner, min_size=1, max_size=3).map(lambda each: f"for x in list(items):\n{indented(each)}"),
        st.lists(inner, min_size=1, max_size=2).map(
            lambda each: f"try:\n{indented(each)}\nexcept TypeError as error:\n    y = str(type(error))"
        ),
    ),
    max_leaves=8,
)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.lists(STATEMENTS, min_size=1, max_size=5))
def test_any_function_and_its_form_give_the_same(statements):
    text = "def f(a, b, items):\n" + indented(statements) + "\n"
    form = normalise(text, "python")
    ast.parse(form)
    assert normalise(form, "python") == form
    for given_ in ((0, 1, [1, 0, 2]), (2, 2, []), (-1, 0, [0])):
        assert outcome(form, *given_) == outcome(text, *given_)
