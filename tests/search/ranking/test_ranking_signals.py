"""Every signal on pools made by hand, and what the linear model makes of them."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest

from indexer.encoder.words import WordVectors
from indexer.index import Index
from indexer.lexical.tokens import terms
from indexer.settings import Settings
from indexer.store.interface import Head
from indexer.types import Kind
from search.classes import QueryClass
from search.engine import Engine
from search.ranking.candidates import SEEDS, Candidates, best_first
from search.ranking.model import SHARES, SIGNALS, contributions, normalised
from search.ranking.weights import FUSION, fitted
from search.retrieval import Mode
from tests.stub_encoder import StubEncoder

WORD_VECTORS = WordVectors(StubEncoder())


def head(number=0, path="lib/part.py", symbol="part", **changes):
    whole = {
        "key": number,
        "id": f"unit{number:03}",
        "repository": "shapes",
        "path": path,
        "language": "python",
        "kind": Kind.FUNCTION,
        "symbol": symbol,
        "start_line": 1,
        "end_line": 9,
        "documented": False,
    }
    return Head(**whole | changes)


def said(text, rarity=1.0):
    return dict.fromkeys(terms(text), rarity)


def pool(*heads, bm25=None, cosine=None, file_cosine=None, query="", rarity=None, names=(), texts=(), whole=None):
    """Return candidates; what is not given is constant."""
    sizes = [2] * len(heads) if whole is None else [1 if each else 2 for each in whole]
    numbered = [
        each._replace(key=place, id=f"unit{place:03}", file_units=size)
        for place, (each, size) in enumerate(zip(heads, sizes, strict=True))
    ]

    def scores(given):
        array = np.zeros(len(heads)) if given is None else np.array(given, dtype=np.float64)
        array.flags.writeable = False
        return array

    return Candidates(
        heads=tuple(numbered),
        bm25=scores(bm25),
        cosine=scores(cosine),
        file_cosine=scores(file_cosine),
        rarity=said(query) if rarity is None else rarity,
        names=frozenset(names),
        texts=lambda rows: {int(row): texts[row] for row in rows if row < len(texts)},
        words=dict.fromkeys(query.split(), 1.0),
        word_vectors=WORD_VECTORS,
        sequence=terms(query),
    )


def values(name, candidates):
    return SIGNALS[name](candidates).tolist()


def for_symbols(name, symbols, **options):
    return values(name, pool(*(head(symbol=symbol) for symbol in symbols), **options))


def for_paths(name, paths, **options):
    return values(name, pool(*(head(path=path) for path in paths), **options))


every_signal = pytest.mark.parametrize("name", SIGNALS)


def test_equal_scores_are_in_the_order_of_unit_ids():
    heads = [head()._replace(id=name) for name in "cab"] + [head()._replace(id="z")]
    assert best_first(np.array([0.5, 0.5, 0.5, 0.7]), heads) == [3, 1, 2, 0]


@every_signal
def test_an_empty_pool_has_no_values(name):
    assert values(name, pool()) == []
    assert values(name, pool(query="a query", names=["query"])) == []
    assert normalised(pool(), name).shape == (0,)


@every_signal
def test_a_query_without_words_divides_by_nothing(name):
    candidates = pool(head(), head(path="", symbol="", end_line=1), cosine=[0.5, 0.1], rarity={}, names=[""])
    found = SIGNALS[name](candidates)
    assert found.shape == (2,)
    assert np.isfinite(found).all()


@every_signal
def test_a_constant_signal_contributes_nothing(name):
    same = pool(*[head()] * 5, bm25=[2.0] * 5, cosine=[0.5] * 5, file_cosine=[0.1] * 5, query="part", names=["part"])
    alone = pool(head(), bm25=[2.0], cosine=[0.5], file_cosine=[0.1], query="part", names=["part"], texts=["part"])
    assert contributions(same, {name: 3.0})[name].tolist() == [0.0] * 5
    assert contributions(alone, {name: 3.0})[name].tolist() == [0.0]


@every_signal
def test_a_normalised_signal_reaches_from_0_to_1_and_a_share_no_further(name):
    candidates = pool(
        head(path="lib/part.py", symbol="part", documented=True, end_line=2),
        head(path="tests/test_a.py", symbol="Other", kind=Kind.CLASS, end_line=40),
        head(path="other/a.d.ts", symbol="", kind=Kind.MODULE),
        bm25=[3.0, 1.0, 0.0],
        cosine=[0.9, -0.5, 0.1],
        file_cosine=[0.3, 0.2, 0.1],
        query="def part return Lib",
        names=["part"],
        texts=["def part(): return Other", "class Other: pass", "part lib"],
    )
    found = normalised(candidates, name)
    assert found.min() == 0.0
    assert 0.0 < found.max() < 1.0 if name in SHARES else found.max() == 1.0
    assert contributions(candidates, {name: -2.0})[name].tolist() == (-2.0 * found).tolist()


def test_what_the_indexes_say_is_taken_as_it_is():
    candidates = pool(head(), head(), bm25=[7.5, 0.0], cosine=[0.25, -0.5], file_cosine=[0.75, 0.5])
    assert values("bm25", candidates) == [7.5, 0.0]
    assert values("vector", candidates) == [0.25, -0.5]
    assert values("vector_file", candidates) == [0.75, 0.5]


def test_units_of_one_file_add_up():
    files = [head(path="a.py"), head(path="a.py"), head(path="b.py"), head(path="a.py", repository="pipes")]
    candidates = pool(*files, bm25=[1.0, 2.0, 4.0, 8.0], cosine=[-0.1, 0.4, 0.9, 0.4])
    assert values("bm25_file", candidates) == [3.0, 3.0, 4.0, 8.0]


def test_what_a_qualified_name_covers_counts_by_rarity():
    rarity = said("header", 3.0) | said("parse") | said("quickly", 0.0)
    symbols = ["Header.parse", "header", "parse", "other"]
    assert for_symbols("name", symbols, rarity=rarity) == pytest.approx([1.0, 0.75, 0.25, 0.0])


def test_what_text_and_path_cover_counts_by_rarity():
    heads = [head(path="net/retry.py"), head(path="a.py"), head(path="b.py"), head(path="retry/c.py")]
    rarity = {"retri": 3.0, "delay": 1.0}
    found = values("covered", pool(*heads, rarity=rarity, texts=["delay()", "delays the retry", "nothing", ""]))
    assert found == pytest.approx([1.0, 1.0, 0.0, 0.75])


def test_a_definition_is_of_the_very_name():
    symbols = ["Client.parse_header", "parse_header", "parse_headers", "parse_header.inner", "PARSE_HEADER", ""]
    assert for_symbols("definition", symbols, names=["parse_header", ""]) == [1, 1, 0, 0, 1, 0]


def test_a_qualified_name_is_met_from_its_end_and_in_whole_parts():
    symbols = ["Client.send", "http.Client.send", "OldClient.send", "send", "Client.send.inner"]
    assert for_symbols("definition", symbols, names=["client.send"]) == [1, 1, 0, 0, 0]
    assert for_symbols("definition", symbols) == [0] * 5


def test_late_interaction_asks_each_word_for_its_nearest():
    texts = ["read the settings", "read nothing", "moon", "", "readSettings()"]
    found = values("late", pool(*[head()] * 5, query="read settings", texts=texts))
    assert found[0] == found[4] == pytest.approx(1.0, abs=1e-3)
    assert found[0] > found[1] > found[2]
    weighted = pool(*[head()] * 5, query="read settings", texts=texts)
    rare = Candidates(**{**vars(weighted), "words": {"read": 0.1, "settings": 5.0}})
    assert values("late", rare)[1] < found[1]


def test_late_interaction_is_silent_without_words_or_vectors():
    whole = pool(*[head()] * 2, query="read", texts=["read", "moon"])
    for less in ({"words": {}}, {"word_vectors": None}, {"texts": lambda rows: {}}):
        assert values("late", Candidates(**{**vars(whole), **less})) == [0.0, 0.0]


def test_what_was_pasted_is_told_by_its_runs_of_terms():
    query = "total = price * count\nreturn total"
    texts = [
        "def f():\n    total = price*count; return total",
        "total = price + x\nprice * count",
        "return count * price",
    ]
    # price count return, count return total; total price count is broken in the second.
    assert values("verbatim", pool(*[head()] * 4, query=query, texts=[*texts, ""])) == [1.0, 0.0, 0.0, 0.0]
    half = values("verbatim", pool(head(), query=query, texts=["total price count"]))
    assert half == pytest.approx([1 / 3])


@pytest.mark.parametrize("query", ["", "part", "two parts"])
def test_fewer_terms_than_a_run_are_no_paste(query):
    assert values("verbatim", pool(head(), head(), query=query, texts=[query, "two parts"])) == [0.0, 0.0]


def of_languages(*languages):
    return [head(language=language) for language in languages]


def test_likeness_counts_beyond_what_units_of_the_language_have():
    languages = ["python"] * 9 + ["go"] * 9
    # What every Python unit says of the query is no merit; the one Go unit that says it has one.
    texts = ["read moon"] * 9 + ["read moon"] + ["stone"] * 8
    candidates = pool(*of_languages(*languages), query="read settings", texts=texts)
    plain, beyond = values("late", candidates), values("late_beyond", candidates)
    assert plain[0] == plain[9] > plain[10]
    assert beyond[9] > max(beyond[:9])
    assert max(beyond[:9]) - min(beyond) < plain[0] - min(plain)


def test_in_one_language_likeness_is_as_it_was():
    texts = ["read the settings", "read nothing", "moon", "readSettings()"]
    candidates = pool(*[head()] * 4, query="read settings", texts=texts)
    plain, beyond = np.array(values("late", candidates)), np.array(values("late_beyond", candidates))
    np.testing.assert_allclose(beyond - beyond.min(), plain - plain.min(), atol=1e-9)


def test_a_language_of_one_unit_keeps_most_of_what_it_has():
    texts = ["read settings", *["moon"] * 5]
    found = values("late_beyond", pool(*of_languages("go", *["python"] * 5), query="read settings", texts=texts))
    assert found[0] > 0 > max(found[1:])


def test_likeness_beyond_a_language_is_silent_without_words_or_vectors():
    whole = pool(*[head()] * 2, query="read", texts=["read", "moon"])
    for less in ({"words": {}}, {"word_vectors": None}, {"texts": lambda rows: {}}):
        assert values("late_beyond", Candidates(**{**vars(whole), **less})) == [0.0, 0.0]


def test_whose_text_is_not_read_has_what_the_least_has():
    count = SEEDS + 2
    texts = ["read"] + ["moon"] * (count - 1)
    found = values("late", pool(*[head()] * count, bm25=list(range(count, 0, -1)), query="read", texts=texts))
    assert found[0] == max(found)
    assert found[-1] == min(found)


def test_a_first_look_chooses_whose_texts_are_read():
    count = SEEDS + 6
    plain = pool(*[head()] * count, bm25=[float(n % 10) for n in range(count)], texts=["t"] * count)
    found = Candidates(**{**vars(plain), "first_look": lambda each: -np.arange(float(len(each.heads)))})
    assert list(found.seeds) == list(range(SEEDS))


def test_texts_are_read_of_the_likeliest_alone():
    count = SEEDS + 6
    asked = []
    candidates = pool(*[head()] * count, bm25=[float(n % 10) for n in range(count)])
    found = Candidates(
        **{**vars(candidates), "texts": lambda rows: asked.append(rows.tolist()) or {int(row): "t" for row in rows}}
    )
    likeliest = sorted(range(count), key=lambda row: (-(row % 10), row))[:SEEDS]
    assert list(found.seeds) == asked[0] == sorted(likeliest)
    assert list(found.seeds) == sorted(likeliest)
    assert len(asked) == 1


def test_what_a_unit_is():
    heads = [
        head(kind=Kind.FUNCTION, documented=True),
        head(kind=Kind.METHOD),
        head(kind=Kind.CLASS),
        head(kind=Kind.MODULE),
        head(kind=Kind.SECTION),
        # As rows of the store spell it.
        head(kind="class"),
    ]
    candidates = pool(*heads)
    assert values("documented", candidates) == [1, 0, 0, 0, 0, 0]
    assert values("class_head", candidates) == [0, 0, 1, 0, 0, 1]
    assert values("rest", candidates) == [0, 0, 0, 1, 1, 0]


def test_size_grows_ever_more_slowly_and_ends():
    lines = [1, 2, 4, 50, 51, 10_000]
    found = values("size", pool(*(head(start_line=7, end_line=6 + count) for count in lines)))
    assert found[0] == 0.0
    assert found[2] == pytest.approx(2 * found[1])
    assert found[1] == pytest.approx(math.log(2) / math.log(50))
    assert found[3:] == [1.0, 1.0, 1.0]


def test_a_whole_file_counts_as_the_others_do_on_average():
    candidates = pool(
        head(start_line=1, end_line=1), head(start_line=1, end_line=50), head(start_line=1, end_line=9), whole=[0, 0, 1]
    )
    assert values("size", candidates) == pytest.approx([0.0, 1.0, 0.5])
    records = pool(head(end_line=3), head(end_line=90), whole=[1, 1])
    assert values("size", records) == [0.0, 0.0]


NOISE = ["tests/a.py", "src/test/A.java", "a/__tests__/b.js", "examples/a.py", "test_a.py", "a/b_test.go", "ATest.java"]
NOISE += ["a.spec.ts", "spec/models/a_spec.rb", "benchmarks/a.py", "conftest.py", "a/mocks/b.go", "fixtures/a.json"]


def test_tests_and_examples_are_noise_unless_they_are_asked_for():
    fine = ["lib/a.py", "latest/a.py", "contest.py", "attest_a.py", "lib/tester.py", "inspect/a.py", "testimony.py"]
    assert for_paths("noise", NOISE, query="open a file") == [1.0] * len(NOISE)
    assert for_paths("noise", fine, query="open a file") == [0.0] * len(fine)
    for word in ("tests", "testing", "an example", "benchmarks", "the fixtures", "mocking"):
        assert for_paths("noise", NOISE, query=f"open a file in {word}") == [0.0] * len(NOISE), word


def test_weights_of_0_have_no_part():
    candidates = pool(head(), head(), bm25=[1.0, 0.0], cosine=[0.0, 1.0])
    assert contributions(candidates, {"bm25": 0.5, "vector": 0.0}).keys() == {"bm25"}
    assert contributions(candidates, {}) == {}
    with pytest.raises(KeyError, match="psychic"):
        contributions(candidates, {"psychic": 1.0})


SOURCE = """def open_shop(shop):
    return shop.open()


class Shop:
    \"\"\"Sells things.\"\"\"

    def open(self):
        self.state = "open"

    def close(self):
        self.state = "closed"
"""


SYMBOLS = ("open_shop", "Shop", "Shop.open", "Shop.close")


@pytest.fixture(scope="module")
def engine(stub_module, tmp_path_factory):
    # A unit's vector knows its path: the same file in two repositories is twins.
    base = tmp_path_factory.mktemp("ranked")
    for name in ("one/a.py", "two/a.py", "one/tests/test_shop.py"):
        path = base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SOURCE)
    encoder = stub_module.StubEncoder()
    sources = [str(base / "one"), str(base / "two")]
    index = Index.build(base / "index", sources, settings=Settings(processes=1), encoder=encoder)
    yield Engine(index, encoder)
    index.close()


@pytest.mark.parametrize("text", ["open the shop", "Shop.close", "def open(self): return self.state"])
@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("weights", ["fitted", "fusion"])
def test_parts_add_up_and_the_best_comes_first(engine, text, mode, weights):
    found = engine.pool(text, mode=mode, weights=fitted() if weights == "fitted" else FUSION)
    assert len(found.heads) == len(found.keys) == len(found.scores) >= 6
    np.testing.assert_allclose(sum(found.parts.values()), found.scores)
    order = [(-score, each.id) for score, each in zip(found.scores, found.heads, strict=True)]
    assert order == sorted(order)
    assert [each.key for each in found.heads] == found.keys.tolist()
    assert found.parts.keys() <= SIGNALS.keys()


def test_equal_scores_are_in_the_order_of_ids(engine):
    found = engine.pool("open the shop", mode=Mode.HYBRID, weights=FUSION)
    scores = dict(zip(found.heads, found.scores.tolist(), strict=True))
    twins = [[each for each in found.heads if each.symbol == symbol and "/" not in each.path] for symbol in SYMBOLS]
    for pair in twins:
        assert len(pair) == 2
        assert len({scores[each] for each in pair}) == 1
        assert [each.id for each in pair] == sorted(each.id for each in pair)
    # The order of keys would not do.
    assert [pair for pair in twins if pair[0].key > pair[1].key]


def test_asking_one_index_leaves_the_signals_of_the_other_out(engine):
    words = engine.pool("open the shop", mode=Mode.LEXICAL, weights=fitted()).parts.keys()
    assert "bm25" in words
    assert not [name for name in words if name.startswith("vector")]
    assert engine.pool("open the shop", mode=Mode.VECTOR, weights=fitted()).parts.keys() == {"vector"}


@pytest.mark.parametrize("text", ["def close(self): self.state = closed", "/self\\.state/"])
def test_code_is_ranked_by_bm25_too_where_no_vector_speaks(engine, text):
    assert "bm25" not in fitted()[QueryClass.CODE]
    words = engine.pool(text, mode=Mode.LEXICAL, weights=fitted()).parts.keys()
    assert {"bm25", "size", "verbatim"} <= words
    assert "vector" not in words
    whole = engine.pool("def close(self): self.state = closed", mode=Mode.HYBRID, weights=fitted()).parts.keys()
    assert whole == fitted()[QueryClass.CODE].keys()


def test_pasted_lines_find_their_unit(engine):
    found = engine.pool('def close(self):\n    self.state = "closed"', mode=Mode.HYBRID, weights=fitted())
    assert {head.symbol for head in found.heads[:3]} == {"Shop.close"}


def test_nothing_found_is_an_empty_pool(engine):
    found = engine.pool("platypus", mode=Mode.LEXICAL, weights=fitted())
    assert (found.heads, found.keys.tolist(), found.scores.tolist()) == ((), [], [])


ORDER = """
import numpy as np
from indexer.lexical.tokens import terms
from indexer.store.interface import Head
from search.ranking.candidates import Candidates
from search.ranking.model import SIGNALS, contributions

# Sums of many unlike numbers: another order rounds otherwise.
words = "parse header send client retry file socket window buffer".split()
names = ["_".join(words[start:] + words[:start]) for start in range(9)] + ["Client.send", "parse_header", ""]
names = names * 3
heads = [
    Head(row, f"u{row}", "r", f"lib{row % 3}/file_{name}.py", "python", "function", name, 1, 1 + row, row % 2 == 0)
    for row, name in enumerate(names)
]
texts = [f"def {name}(): parse(header) send retry_send client {name}" for name in names]
chance = np.random.default_rng(1)
rarity = {terms(word)[0]: value for word, value in zip(words, 10.0 ** chance.uniform(-3, 3, 9))}
found = Candidates(
    heads, chance.random(36), chance.random(36), chance.random(36), rarity,
    frozenset({"parse_header", "client.send", "send"}), lambda rows: {int(row): texts[row] for row in rows},
)
parts = contributions(found, {name: 1 / 3 for name in SIGNALS})
print([(name, part.tolist()) for name, part in parts.items()])
"""


def test_scores_do_not_depend_on_the_hash_seed():
    outputs = []
    for seed in ("1", "2", "3"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-W", "error", "-c", ORDER]
        outputs.append(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)
    assert outputs[0].count("'") == 2 * len(SIGNALS)
    assert outputs[0] == outputs[1] == outputs[2]
