"""Code Style Similarity: what it cannot compare, the numbers of both variants by hand, and what must change nothing."""

from dataclasses import replace
from functools import cache
from math import log

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.errors import UsageError
from indexer.index import Index
from indexer.languages import LANGUAGES
from indexer.style import trees
from indexer.style.names import names
from indexer.style.similarity import Variant, compare, similarity
from indexer.style.snippets import LONGEST, common_language, read
from indexer.style.trees import Distance, Tree, tree_edit_distance
from indexer.style.weights import Frequencies, counted, indexed

# One text a language, with the places of two variables (V, W), two called APIs (F, G) and a comment (C).
TEMPLATES = {
    "python": "C\ndef run(V):\n    W = F(V)\n    return x.G(W) + V\n",
    "javascript": "C\nfunction run(V) {\n  const W = F(V);\n  return x.G(W) + V;\n}\n",
    "typescript": "C\nfunction run(V: number): Map<string, T> {\n  let W: T = F(V);\n  return x.G(W) + V;\n}\n",
    "java": "C\nint run(final List<T> V) {\n  int W = F(V);\n  return x.G(W) + V;\n}\n",
    "go": "package p\nC\nfunc run(V int) int {\n\tW := F(V)\n\treturn x.G(W) + V\n}\n",
    "c": "C\nint run(int *V) {\n  struct t W = F(V);\n  return x->G(W) + V;\n}\n",
    "c++": "C\nint n::K::run(const T& V) {\n  auto W = a::F<int>(V);\n  return x.G(W) + V;\n}\n",
    "rust": "C\nfn run(V: i32) -> i32 {\n  let mut W = F(V);\n  x.G(W) + V\n}\n",
    "c#": "C\nint run(T V) {\n  var W = F(V);\n  return x.G<int>(W) + V;\n}\n",
    "kotlin": "C\nfun run(V: Int): Int {\n  val W = F(V)\n  return x.G(W) + V\n}\n",
    "scala": "C\ndef run(V: Int): Int = {\n  val W = F(V)\n  x.G(W) + V\n}\n",
    "swift": "C\nfunc run(_ V: Int) -> Int {\n  let W = F(V)\n  return x.G(W) + V\n}\n",
    "php": "C\nfunction run(int $V) {\n  $W = F($V);\n  return $x->G($W) + $V;\n}\n",
    "ruby": "C\ndef run(V)\n  W = F(V)\n  x.G(W) + V\nend\n",
    "lua": "C\nfunction run(V)\n  local W = F(V)\n  return x.G(W) + V\nend\n",
}
COMMENTS = {"python": "# why", "ruby": "# why", "lua": "-- why"}
WORDS = st.text("abcdefgh", min_size=3, max_size=9)


def written(language, first="count", second="other", one="gather", two="spread", comment=""):
    """Return the text of a language with these names in it."""
    text = TEMPLATES[language].replace("C\n", f"{comment}\n")
    for place, name in (("V", first), ("W", second), ("F", one), ("G", two)):
        text = "".join(name if part == place else part for part in _parts(text))
    return text


def _parts(text):
    parts, word = [], ""
    for letter in text:
        if letter.isalnum() or letter == "_":
            word += letter
        else:
            parts += [word, letter]
            word = ""
    return [*parts, word]


# --- bad input ---


@pytest.mark.parametrize("language", ["klingon", "", "markdown", "json", "html"])
def test_only_programming_languages_are_compared(language):
    with pytest.raises(UsageError, match="language"):
        similarity("x = 1", "x = 1", language)


@pytest.mark.parametrize(
    ("text", "language"),
    [("", "python"), (" \n\t", "java"), ("# only\n", "python"), ("/* a */ // b", "c"), ("<?php // a", "php")],
)
def test_a_text_without_code_has_no_style(text, language):
    with pytest.raises(UsageError, match="no code"):
        read(text, language)


def test_a_text_that_is_too_long_is_refused():
    assert read("x\n" * (LONGEST // 2), "python").variables == {"x"}
    with pytest.raises(UsageError, match="200,000"):
        read("x\n" * (LONGEST // 2) + "y", "python")


@pytest.mark.parametrize(("left", "right"), [("python", "java"), ("c", "java"), ("javascript", "c++")])
def test_two_languages_have_no_common_tree(left, right):
    with pytest.raises(UsageError, match=r"no grammar in common"):
        common_language(left, right)
    with pytest.raises(UsageError, match="cannot be compared"):
        compare(read("x = 1", left if left == "python" else "python"), read("x = 1;", right))


def test_a_language_is_compared_with_its_superset():
    assert common_language("js", "ts") == common_language("typescript", "javascript") == "typescript"
    assert common_language("c", "cpp") == "c++"
    assert common_language("py", "python") == "python"


@pytest.mark.parametrize(("text", "line"), [("x = 1\ndef f(:\n", 2), ("((", 1), ("\n\nif x\n  y\n", 3)])
def test_what_does_not_parse_is_compared_and_said(text, line):
    found = similarity("x = 1", text, "python")
    assert 0 <= found.similarity < 1
    assert found.notes == (
        f"the second text does not parse at line {line}: it was read as far as the grammar makes sense of it",
    )


def test_trees_too_large_are_bounded_and_said(monkeypatch):
    left, right = written("python"), "x = [\n    1,\n    f(2),\n]\n"
    exact = similarity(left, right, "python")
    monkeypatch.setattr(trees, "LARGEST", 10)
    bounded = similarity(left, right, "python")
    assert (bounded.variables, bounded.apis) == (exact.variables, exact.apis)
    assert exact.tree <= bounded.tree < 1
    assert exact.notes == ()
    assert "upper bound" in bounded.notes[0]
    # Equal trees are equal at any size.
    assert similarity(left, left, "python").notes == ()


@pytest.mark.parametrize("text", ["(" * 3_000 + ")" * 3_000, "[" * 3_000, "x" + ".f(0)" * 3_000, "-" * 3_000 + "1"])
def test_deep_texts_are_no_danger(text):
    assert 0 <= similarity(text, "x = f(1)", "python").similarity <= 1


# --- by hand ---

# Variables count, item → counts: 1/6 and 6/6 (nothing in "item" can stay); back 1/6. APIs add, adds: 1/4.
# Trees: module, function, its name, parameters, two of them, block, return, call, its name, arguments, two of them are
# 13 nodes; the other has one parameter and one argument less, so two nodes go.
LEFT = "def f(count, item):\n    return add(count, item)\n"
RIGHT = "def f(counts):\n    return adds(counts)\n"


def test_the_paper_takes_the_mean_of_both_directions():
    found = similarity(LEFT, RIGHT, "python")
    assert found.variables == pytest.approx(1 - ((1 / 6 + 1) / 2 + 1 / 6) / 2)
    assert found.apis == pytest.approx(3 / 4)
    assert found.tree == pytest.approx(1 - 2 / 13)
    assert found.similarity == pytest.approx(1 - (9 / 24 + 1 / 4 + 2 / 13) / 3)


def test_the_released_code_takes_the_less_similar_direction():
    found = similarity(LEFT, RIGHT, "python", variant=Variant.RELEASED)
    assert found.variables == pytest.approx(5 / 12)
    assert (found.apis, found.tree) == (pytest.approx(3 / 4), pytest.approx(11 / 13))
    assert found.similarity == pytest.approx((5 / 12 + 3 / 4 + 11 / 13) / 3)


def test_rare_names_weigh_more():
    # Of 3 texts, 1 has "count", all have "item": ln(1 + 2.5/1.5) and ln(1 + 0.5/3.5).
    seen = {"count": 1, "item": 3}
    known = Frequencies(3, lambda name: seen.get(name, 0), lambda name: 0)
    rare, common = log(8 / 3), log(8 / 7)
    found = similarity(LEFT, RIGHT, "python", frequencies=known)
    forth = (rare / 6 + common) / (rare + common)
    assert found.variables == pytest.approx(1 - (forth + 1 / 6) / 2)
    assert found.apis == pytest.approx(3 / 4)
    assert found.variables > similarity(LEFT, RIGHT, "python").variables


def test_frequencies_of_some_snippets():
    known = counted(read(text, "python") for text in (LEFT, RIGHT, LEFT))
    assert (known.documents, known.variables("count"), known.variables("f"), known.apis("adds")) == (3, 2, 0, 1)
    assert known.of_variable("count") < known.of_variable("counts") < known.of_variable("unseen")


def test_frequencies_of_an_index(tmp_path, stub_encoder):
    source = tmp_path / "source"
    source.mkdir()
    for number, body in enumerate(("word_count = 1", "return wordCount(2)", "word = count")):
        (source / f"m{number}.py").write_text(f"def f{number}():\n    {body}\n")
    index = Index.build(tmp_path / "index", [str(source)], encoder=stub_encoder)
    try:
        with index.view() as view:
            known = indexed(view.lexical)
            # The whole identifier counts, however it is spelt, not its parts.
            assert (known.documents, known.variables("word_count"), known.apis("wordCount")) == (3, 2, 2)
            assert (known.variables("nothing"), known.variables("_")) == (0, 0)
    finally:
        index.close()


def test_names_that_only_one_side_has():
    # 8 nodes against 7: the parameter goes, and a name becomes a number.
    left, right = "def f(a):\n    return a\n", "def f():\n    return 1\n"
    paper = similarity(left, right, "python")
    assert (paper.variables, paper.apis, paper.tree) == (0.0, 1.0, 0.75)
    assert paper.similarity == pytest.approx(1.75 / 3)
    released = similarity(left, right, "python", variant=Variant.RELEASED)
    assert (released.variables, released.apis, released.tree, released.similarity) == (None, None, 0.75, 0.75)


# --- names ---


@pytest.mark.parametrize("language", TEMPLATES)
def test_names_of_every_language(language):
    found = read(written(language), language)
    assert found.fault is None
    # What a chain of dots starts from adds nothing, except PHP's, which is a variable by its sign.
    assert found.variables == {"count", "other"} | ({"x"} if language == "php" else set())
    assert found.apis == {"gather", "spread"}


@pytest.mark.parametrize(
    ("language", "text", "variables", "apis"),
    [
        (
            "python",
            "from a import b as c\n@memo\nclass K(B):\n    n: int = 3\n    def m(self, *rest, k=1, **kw):\n"
            "        for i, (j, _) in z.items(): self.q.append(lambda u: u)\n        with open(p) as fh: pass\n"
            "        try: pass\n        except E as err: raise Bad(err, key=i)\n        return [w for w in np.pi if w]\n",
            "n self rest k kw i j u p fh err w",
            "memo items append open Bad",
        ),
        (
            "javascript",
            "import d from 'm'; class A extends B { q = 1; #p = 2; m({y, z: w}, ...r) { this.q = new Foo(y)?.at(0); "
            "lab: for (const i of r) { break lab } return <div cls={w}/> } }",
            "q #p y w r i",
            "Foo at",
        ),
        (
            "typescript",
            "interface I { a: string } enum E { X } namespace N { export const c = f!(1) as T } class K { @In() y: T; "
            "constructor(private v: Map<string, U>) {} }",
            "a c y v",
            "f In",
        ),
        (
            "java",
            "import a.b; @Ann(v = 1) class K<T> extends B { int n; K(int q) { this.n = q; out: while (true) break out; "
            "for (String s : K.all()) { new Foo<T>(s).go(); System.out.println(u -> u); } Object o = String::length; } }",
            "n q s u o",
            "all Foo go println",
        ),
        (
            "go",
            'package p\nimport f "fmt"\ntype S struct { a int }\nfunc (s *S) m(xs ...int) (r int, err error) {\n'
            "for i, v := range xs { f.Println(v, i) }\nw := S{a: r}\nlab: for { break lab }\nreturn len(w.a), nil }",
            "a s xs r err i v w",
            "Println len",
        ),
        (
            "c",
            "#define M(x) x\nenum e { A }; typedef struct { int n, *p; } s;\nint f(char *y, int z[], void (*cb)(int)) "
            "{ struct s v = { .n = 1 }; v.p->n = M(y); cb(2); goto out; out: return sizeof(K); }",
            "x n p y z cb v K",
            "M cb",
        ),
        (
            "c++",
            "using namespace std; template <class T> struct K : B { int a_; K(int q) : a_(q) {} ~K(); }; "
            "int f(T&& r) { for (auto& [k, v] : r) new Foo(k); auto l = [&v, w = 1](int u) { return K::x; }; "
            "return static_cast<int>(l(v)); }",
            "a_ q r k v l w u",
            "Foo static_cast l",
        ),
        ("bash", 'X=1; for i in $(ls "$X"); do echo "${i%.txt}" | grep -v x; done', "X i", "ls echo grep"),
        ("sql", "SELECT x.a AS c, count(b) FROM t AS x WHERE b = 1", "x a c b t", "count"),
        ("elixir", "defmodule K do\n  def m(x), do: Enum.map(x, fn u -> u end)\nend", "x u", "m map"),
    ],
)
def test_what_is_a_variable_and_what_is_called(language, text, variables, apis):
    found = read(text, language)
    assert found.variables == set(variables.split())
    assert found.apis == set(apis.split())


@pytest.mark.parametrize("language", [each.name for each in LANGUAGES if not each.document])
@given(text=st.text(max_size=80))
@settings(max_examples=10, deadline=None)
def test_no_text_is_too_broken(language, text):
    try:
        found = similarity(text, text, language)
    except UsageError:
        return
    assert found.similarity == 1


def test_names_need_no_tree_but_a_node():
    from indexer.languages import by_name
    from indexer.languages.grammar import grammar_of

    root = grammar_of(by_name("python")).parse(b"a = f(b)").root_node
    assert names(root, "python") == ({"a", "b"}, {"f"})


# --- properties ---


@pytest.mark.parametrize("variant", Variant)
@given(
    languages=st.sampled_from(sorted(TEMPLATES)), left=st.lists(WORDS, min_size=4), right=st.lists(WORDS, min_size=4)
)
@settings(max_examples=40, deadline=None)
def test_it_is_symmetric_and_between_0_and_1(variant, languages, left, right):
    one, two = (read(written(languages, *words[:4]), languages) for words in (left, right))
    known = counted((one, two))
    found = compare(one, two, variant=variant, frequencies=known)
    turned = compare(two, one, variant=variant, frequencies=known)
    # Notes say which of the texts they are about.
    assert replace(found, notes=()) == replace(turned, notes=())
    for part in (found.similarity, found.variables, found.apis, found.tree):
        assert 0 <= part <= 1
    assert found.similarity == pytest.approx((found.variables + found.apis + found.tree) / 3)
    assert compare(one, one, variant=variant, frequencies=known).similarity == 1


@pytest.mark.parametrize("variant", Variant)
@pytest.mark.parametrize("language", TEMPLATES)
def test_renaming_moves_one_part_only(language, variant):
    text = written(language)
    variables = similarity(text, written(language, first="zzz", second="yyyy"), language, variant=variant)
    assert variables.variables < 1
    assert (variables.apis, variables.tree) == (1, 1)
    apis = similarity(text, written(language, one="zzz", two="yyyy"), language, variant=variant)
    assert apis.apis < 1
    assert (apis.variables, apis.tree) == (1, 1)


@pytest.mark.parametrize("language", TEMPLATES)
def test_layout_and_comments_change_nothing(language):
    text = written(language)
    comment = COMMENTS.get(language, "// why")
    changed = written(language, comment=f"{comment}\n{comment}").replace("\n", f"  {comment}\n\n")
    assert read(changed, language) == read(text, language)
    assert similarity(text, changed, language).similarity == 1


@pytest.mark.parametrize(
    ("language", "fragment"),
    [
        ("python", "    def f(self):\n        return 1\n"),
        ("java", "public K(int q) { this.q = q; }"),
        ("c#", "public K(int q) { this.q = q; }"),
        ("c++", "public: K(int q) : q_(q) {} virtual ~K();"),
        ("go", "x := 1\nreturn x"),
        ("typescript", "private async f(x: T) { await g(x); }"),
    ],
)
def test_a_fragment_is_read_as_a_part(language, fragment):
    found = read(fragment, language)
    assert found.fault is None
    assert found.tree.labels[-1] == ""


def test_a_text_that_escapes_its_frame_is_no_fragment():
    found = read("int a; } class Y { int b;", "java")
    assert found.fault == 1
    assert {"a", "b"} <= found.variables


def test_operators_are_part_of_the_tree():
    assert similarity("x = a + b", "x = a - b", "python").tree == pytest.approx(1 - 1 / 7)


# --- trees ---


def tree(shape):
    """Return the tree of nested (label, kids)."""
    labels, leftmost = [], []

    def add(node):
        label, below = node
        first = [add(kid) for kid in below]
        labels.append(label)
        leftmost.append(first[0] if first else len(leftmost))
        return leftmost[-1]

    add(shape)
    return Tree(tuple(labels), tuple(leftmost))


@cache
def by_definition(left, right):
    """Return the edit distance of two forests, tuples of (label, kids), by taking off the last root in every way."""
    if not left or not right:
        return sum(1 + by_definition(kids, ()) for _, kids in left or right)
    (ours, below_ours), (theirs, below_theirs) = left[-1], right[-1]
    return min(
        by_definition(left[:-1] + below_ours, right) + 1,
        by_definition(left, right[:-1] + below_theirs) + 1,
        by_definition(below_ours, below_theirs) + by_definition(left[:-1], right[:-1]) + (ours != theirs),
    )


LABELS = st.sampled_from("abc")
SHAPES = st.recursive(
    LABELS.map(lambda label: (label, ())),
    lambda kids: st.tuples(LABELS, st.lists(kids, min_size=1, max_size=3).map(tuple)),
    max_leaves=7,
)


@given(left=SHAPES, right=SHAPES)
@settings(max_examples=150, deadline=None)
def test_the_tree_edit_distance_is_what_its_definition_says(left, right):
    assert tree_edit_distance(tree(left), tree(right)) == Distance(by_definition((left,), (right,)))


@given(left=SHAPES, right=SHAPES)
@settings(max_examples=60, deadline=None)
def test_the_bound_is_never_above_the_distance(left, right):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trees, "LARGEST", 0)
        bound = tree_edit_distance(tree(left), tree(right))
    assert bound.exact is (left == right)
    assert bound.value <= by_definition((left,), (right,))


def test_the_textbook_pair_of_trees():
    # Zhang and Shasha's own example: f(d(a, c(b)), e) and f(c(d(a, b)), e) are 2 apart.
    leaf = {letter: (letter, ()) for letter in "abe"}
    left = ("f", (("d", (leaf["a"], ("c", (leaf["b"],)))), leaf["e"]))
    right = ("f", (("c", (("d", (leaf["a"], leaf["b"])),)), leaf["e"]))
    assert tree_edit_distance(tree(left), tree(right)) == Distance(2)


def test_a_comb_is_bounded_by_its_cells():
    comb = Tree(("a",) * 4001, tuple(range(2001)) + tuple(range(1999, -1, -1)))
    other = Tree(("b",) * 4001, comb.leftmost)
    assert tree_edit_distance(comb, other) == Distance(4001, exact=False)
