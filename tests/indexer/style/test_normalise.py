"""The normal form: what becomes one, what stays, and that no text is too broken."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.languages import LANGUAGES, by_name
from indexer.languages.grammar import grammar_of
from indexer.style import forms
from indexer.style.normalise import normalise

PAIRS = Path(__file__).parents[2] / "data" / "normal-form"
TEXTS = [
    (row["language"], row["left"])
    for row in map(json.loads, (PAIRS / "equal.jsonl").read_text("utf-8").splitlines())
    if row["change"] == "names"
]


def one(language, *texts):
    """Return the one form of several texts."""
    found = {normalise(text, language) for text in texts}
    assert len(found) == 1, found
    return found.pop()


def errors(text, language):
    """Return how many errors a grammar finds."""
    stack, count = [grammar_of(by_name(language)).parse(text.encode()).root_node], 0
    while stack:
        node = stack.pop()
        count += node.type == "ERROR" or node.is_missing
        stack.extend(node.children)
    return count


def test_comments_docstrings_and_layout_go():
    form = one(
        "python",
        'def f(a):\n  """Say."""\n  # why\n  return (a +\n     1)',
        "def f(b): return b+1\n",
        "def f(a):\n    'one' 'two'\n    'three'\n    return a + 1",
    )
    assert form == "def f(p0):\n    return p0 + 1"


@pytest.mark.parametrize(
    ("language", "left", "right"),
    [
        ("python", "x = 0xFF, 1_000, 1e3, 'a', u'b' \"c\"", 'x = (255, 1000, 1000.0, """a""", "bc")'),
        ("javascript", "x = [0xFF, 1_000, 1e3, 1.0, 'a\"b', `c`]", 'x = [255, 1000, 1000, 1, "a\\"b", "c"];'),
        ("java", "int x = 0x1F + 1_000 + 017; long y = 5L;", "int x = 31 + 1000 + 15;\nlong y = 5l;"),
        ("go", "var x = 0b11 + 1_000\nvar y = `a`", 'var x = 3 + 1000\nvar y = "a"'),
        ("c", "int x = 0x1f + 017; double y = 1e3;", "int x = 31 + 15;\ndouble y = 1000.0;"),
        ("c++", "auto x = 1'000;", "auto x = 1000;"),
    ],
)
def test_literals_have_one_spelling(language, left, right):
    one(language, left, right)


@pytest.mark.parametrize(
    ("language", "left", "right"),
    [
        ("python", "x = 1", "x = 1.0"),
        ("python", "x = 'a'", "x = b'a'"),
        ("python", "x = 1", "x = True"),
        ("python", "x = '\\d'", "x = 'd'"),
        ("python", "x = (1,)", "x = 1"),
        ("java", "int x = 0xFFFFFFFF;", "long x = 4294967295L;"),
        ("java", "double x = 1;", "double x = 1.0;"),
        ("c", "x = 1 / 2;", "x = 1 / 2.0;"),
        ("c", "x = 1u;", "x = 1;"),
        ("javascript", "x = 10n", "x = 10"),
        ("go", "x := 1", "x := 1.0"),
    ],
)
def test_other_values_stay_apart(language, left, right):
    assert normalise(left, language) != normalise(right, language)


@pytest.mark.parametrize(
    ("language", "text", "kept"),
    [
        ("python", "def f(a):\n    return a.a + g(a=a) + A.b", "p0.a + g(a=p0) + A.b"),
        ("python", "def f(a):\n    return f(a=a)", "f(a=a)"),
        ("python", "def f(self, a):\n    import a.b\n    global c\n    c = a", "import a.b"),
        ("python", "def f(a):\n    return eval('a')", "def f(a):"),
        ("python", "def f(a):\n    return f'{a=}'", "{a=}"),
        ("python", "x = 1\ny = x", "y = x"),
        ("python", "def f():\n    v0()\n    x = 1\n    g(x, x)", "v1 = 1"),
        ("javascript", "function f(a) { return {a, b: a.a, c: b.a}; }", "{a: p0, b: p0.a, c: b.a}"),
        ("javascript", "function f({a, b = 1}) { return a + b; }", "({a: p0, b: p1 = 1})"),
        ("javascript", "function f(Part) { return <Part a={1}/>; }", "<Part"),
        ("javascript", "function f(a) { return eval(b); }", "f(a)"),
        ("typescript", "class A { constructor(private a: B) {} }", "private a: B"),
        ("java", "int f(A a) { this.a = a.a(a); return a; }", "this.a = p0.a(p0);"),
        ("java", "void f(int a) { new B() { int a; int g() { return a; } }; }", "return a;"),
        ("go", "func f(A int) T { return T{A: A} }", "T{A: A}"),
        ("go", "func f(a int) T { return b.T{A: a} }", "{A: p0}"),
        ("c", "int f(struct s *a) { return a->a + b.a; }", "p0->a + b.a"),
        ("c", "int f(int a) {\n#define B a\n  return B; }", "int a"),
        ("c++", "int f(int a) { std::string s(a); return a::b + s.size(); }", "std::string v0(p0);"),
    ],
)
def test_names_that_are_not_local_stay(language, text, kept):
    form = normalise(text, language)
    assert kept in form
    assert normalise(form, language) == form


@pytest.mark.parametrize(
    ("language", "left", "right"),
    [
        ("python", "def f(a, b):\n    return a - b", "def f(a, b):\n    return b - a"),
        ("python", "def f(x):\n    x = x + [1]\n    return g(x, x)", "def f(x):\n    x += [1]\n    return g(x, x)"),
        ("python", "def f(a):\n    x = a\n    g(x)", "def f(a):\n    x = a\n    g(a)"),
        ("python", "not (a < b)", "a >= b"),
        ("python", "not (a == b)", "a != b"),
        ("python", "(a, b)[0]", "a, b[0]"),
        ("python", "(-1) ** 2", "-1 ** 2"),
        ("python", "(a < b) < c", "a < b < c"),
        ("javascript", "x = !(a < b)", "x = a >= b"),
        ("javascript", "x = (a?.b).c", "x = a?.b.c"),
        ("javascript", "x = function () { return this; }", "x = () => this"),
        ("javascript", "x = a - (b - c)", "x = a - b - c"),
        ("javascript", "x = (a, b)", "x = a, b"),
        (
            "javascript",
            "function f(n) { for (let i = 0; i < n; i++) { if (g(i)) continue; h(i); k(i); } }",
            "function f(n) { let i = 0; while (i < n) { if (g(i)) continue; h(i); k(i); i++; } }",
        ),
        ("java", "String f(String s) { s += 1; g(s); return s; }", "String f(String s) { s++; g(s); return s; }"),
        (
            "java",
            "double f(double a, double b) { return h(!(a < b)); }",
            "double f(double a, double b) { return h(a >= b); }",
        ),
        ("c", "int f(void) { int x = 1.5; return x * 2; }", "int f(void) { return 1.5 * 2; }"),
        ("c", "int f(double d) { int x = d; return x; }", "double f(double d) { int x = d; return x; }"),
        ("c", "double f(double d) { int x = d; return x; }", "double f(double d) { return d; }"),
        ("go", "x := a & (b + c)", "x := a & b + c"),
    ],
)
def test_what_only_looks_alike_stays_apart(language, left, right):
    assert normalise(left, language) != normalise(right, language)


FRAGMENTS = [
    ("java", "public Foo(int x) { this.x = x; }", "p0"),
    ("java", "@Override\npublic int f(int x) { return x; }", "p0"),
    ("javascript", "async load(id) { return await get(id); }", "p0"),
    ("javascript", "get(id) { return this.values[id]; }", "p0"),
    ("typescript", "private get(id: string): number { return this.values[id]; }", "p0"),
    ("python", "    def f(self, x):\n        # said\n        return x\n", "p0"),
    ("c++", "explicit Foo(int x) : x_(x) {}", "p0"),
    ("go", "x, err := f()\nif err != nil {\n\treturn err\n}", "err"),
    ("php", "function f($x) { // said\n  return $x;\n}", "return $x;"),
    ("c#", "public int F(int x) { // said\n  return x;\n}", "return x;"),
]


@pytest.mark.parametrize(("language", "text", "kept"), FRAGMENTS)
def test_a_fragment_is_read_as_what_it_is_part_of(language, text, kept):
    form = normalise(text, language)
    assert kept in form
    assert "said" not in form
    assert normalise(form, language) == form


@pytest.mark.parametrize(("language", "text"), TEXTS, ids=lambda value: value.split("\n")[0])
def test_a_form_is_read_again(language, text):
    form = normalise(text, language)
    assert errors(form, language) <= errors(text, language)
    assert normalise(form, language) == form


@pytest.mark.parametrize("language", ["", None, "klingon", "markdown", "json"])
def test_other_texts_stay_as_they_are(language):
    assert normalise("# a  \n\n// b", language) == "# a  \n\n// b"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "// said",
        "def broken(:\n  '''said",
        "/* never closed",
        "x = 1 \x00 # said",
        "half \ud800 # said",
        "(" * 5000,
        "a + " * 3000 + "a",
        "if (x) " * 2000,
        "[" * 300 + "]" * 300,
        "{" * 300 + "}" * 300,
        "\r\nx = 1;\r\n",
        "x = 'größe 大' # said",
    ],
)
@pytest.mark.parametrize("language", [*sorted(forms.LANGUAGES), "php", "rust", "haskell"])
def test_no_text_is_too_broken(text, language):
    form = normalise(text, language)
    assert normalise(form, language) == form


@settings(deadline=None, derandomize=True, max_examples=150)
@given(
    st.sampled_from(TEXTS),
    st.integers(0, 400),
    st.integers(0, 12),
    st.sampled_from(["", "(", "}", "'", " x ", ";", "\n"]),
)
def test_damaged_texts_have_a_form(row, place, length, put):
    language, text = row
    damaged = text[: place % len(text)] + put + text[place % len(text) + length :]
    form = normalise(damaged, language)
    assert normalise(form, language) == form
    assert errors(form, language) <= errors(damaged, language)


def test_every_form_has_a_grammar():
    assert forms.LANGUAGES.keys() <= {language.name for language in LANGUAGES}
