"""Pair files to arrays, the recipe, and the batches drawn from them; no torch."""

from __future__ import annotations

import gzip
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from indexer.errors import UsageError
from indexer.training.batches import Sampler
from indexer.training.heldout import CANDIDATES, QUERIES, write_sets
from indexer.training.mining import PACKAGES
from indexer.training.pairs import Counts, Ragged, load_pairs, prepare, read_pairs
from indexer.training.recipe import RECIPE as SHIPPED
from indexer.training.recipe import read_recipe
from indexer.training.written import WRITTEN, code_digest, read_written, written_pairs
from search.evaluation.sets import read_set
from tests.indexer.training.tiny_base import RECIPE, WORDS, write_pairs
from tests.stub_encoder import StubEncoder

VOCABULARY = {word: number for number, word in enumerate(WORDS)}


@pytest.fixture
def prepared(tmp_path):
    files = [write_pairs(tmp_path / "pairs.jsonl")]
    encoder = _Narrow()
    with ThreadPoolExecutor(1) as pool:
        counts = prepare(files, tmp_path / "prepared", encoder, query_tokens=12, code_tokens=24, pool=pool)
    return tmp_path, files, encoder, counts


class _Narrow(StubEncoder):
    """Token ids below 65,536, as a model's are."""

    def tokenise(self, texts):
        return [type(tokens)(tokens.ids % 60_000, tokens.starts) for tokens in super().tokenise(texts)]


@pytest.mark.parametrize(
    "line",
    ["not json", "[]", '{"query": "q"}', '{"query": "", "code": "c", "language": "go"}', '{"query": 1, "code": "c"}'],
)
def test_a_broken_line_is_counted_and_named(tmp_path, line):
    path = tmp_path / "pairs.jsonl"
    good = json.dumps({"query": "q", "code": "c", "language": "go"})
    path.write_text(f"{good}\n{line}\n{good}\n")
    counts = Counts()
    assert len(list(read_pairs([path], counts))) == 2
    assert (counts.pairs, counts.broken) == (2, 1)
    assert counts.first_broken.startswith(f"{path}:2:")


def test_a_file_that_is_missing_or_cut_short_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"no\.jsonl"):
        list(read_pairs([tmp_path / "no.jsonl"], Counts()))
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(gzip.compress(b'{"query": "q", "code": "c", "language": "go"}\n' * 50)[:-9])
    with pytest.raises(UsageError, match=r"cut\.jsonl\.gz"):
        list(read_pairs([cut], Counts()))


def test_a_group_of_codes_is_a_ring_of_pairs(tmp_path):
    path = tmp_path / "groups.jsonl"
    path.write_text(json.dumps({"codes": {"java": "j", "csharp": "s", "python": "p"}, "source": "x"}) + "\n")
    pairs = list(read_pairs([path], Counts()))
    assert [(pair.query, pair.code, pair.language) for pair in pairs] == [
        ("s", "j", "java"),
        ("j", "p", "python"),
        ("p", "s", "c#"),
    ]


def test_prepared_pairs_are_what_was_read(prepared):
    folder, _, encoder, counts = prepared
    pairs = load_pairs(folder / "prepared")
    assert len(pairs) == counts.pairs == 64
    assert pairs.languages == ("go", "python")
    expected = encoder.tokenise(["read w5 of the file"])[0].ids
    assert pairs.queries[5].tolist() == expected.tolist()
    np.testing.assert_allclose(pairs.frozen[5], encoder.encode([expected], 6)[0], atol=1e-3)
    assert len(set(pairs.package.tolist())) == 3
    assert pairs.names[5].tolist() == encoder.tokenise(["w5 src p2 py"])[0].ids.tolist()


def test_prepared_shards_are_kept_and_damage_is_named(prepared, tmp_path):
    folder, files, encoder, _ = prepared
    shards = sorted((folder / "prepared").glob("*.npz"))
    before = [path.stat().st_mtime_ns for path in shards]
    with ThreadPoolExecutor(1) as pool:
        prepare(files, folder / "prepared", encoder, query_tokens=12, code_tokens=24, pool=pool)
    assert [path.stat().st_mtime_ns for path in shards] == before
    shards[0].write_bytes(shards[0].read_bytes()[:100])
    with pytest.raises(UsageError, match="prepare"):
        load_pairs(folder / "prepared")
    with pytest.raises(UsageError, match="prepare"):
        load_pairs(tmp_path / "nowhere")


def test_ragged_rows_join():
    left = Ragged.of([np.array([1, 2], np.int32), np.array([], np.int32)])
    joined = Ragged.joined([left, Ragged.of([np.array([7], np.int32)])])
    assert [joined[row].tolist() for row in range(len(joined))] == [[1, 2], [], [7]]


def test_a_batch_is_of_one_language_and_the_same_for_a_step(prepared):
    folder, *_ = prepared
    pairs = load_pairs(folder / "prepared")
    data = _recipe(folder).data
    words = np.unique(pairs.codes.flat).astype(np.int64)
    sampler = Sampler(pairs, data, 7, words, VOCABULARY)
    for step in range(8):
        one, two = sampler.batch(step, 8, 5), Sampler(pairs, data, 7, words, VOCABULARY).batch(step, 8, 5)
        assert one.rows.tolist() == two.rows.tolist()
        assert [ids.tolist() for ids in one.codes] == [ids.tolist() for ids in two.codes]
        assert len(set(one.rows.tolist())) == 8
        assert len({int(pairs.language[row]) for row in (*one.rows, *one.negatives)}) == 1
        assert max(map(len, one.codes)) <= data.code_tokens
    assert sampler.batch(0, 8, 5).rows.tolist() != sampler.batch(1, 8, 5).rows.tolist()


def test_queries_are_put_as_people_ask(prepared):
    folder, *_ = prepared
    pairs = load_pairs(folder / "prepared")
    data = _recipe(folder).data.model_copy(update={"renamed": 0.0})
    words = np.unique(pairs.codes.flat).astype(np.int64)
    vocabulary = {**VOCABULARY, "how": 900, "do": 901, **dict.fromkeys(pairs.languages, 950)}

    def asked(share):
        sampler = Sampler(pairs, data.model_copy(update={"asked": share}), 7, words, vocabulary)
        return sampler.batch(0, 8, 5)

    plain, put = asked(0.0), asked(1.0)
    assert [ids.tolist() for ids in plain.queries] == [pairs.queries[row].tolist() for row in plain.rows]
    assert all(950 in ids.tolist() for ids in put.queries)
    small = {VOCABULARY["the"], VOCABULARY["of"], VOCABULARY["a"]}
    for ids, row in zip(put.queries, put.rows, strict=True):
        kept = set(pairs.queries[row].tolist()) - small
        assert kept <= set(ids.tolist()) <= {*kept, *small, 900, 901, 950, *VOCABULARY.values()}


def _with_written(tmp_path, prepared):
    """Prepare the pairs again, and two queries written for each of the first twenty codes."""
    folder, files, encoder, _ = prepared
    mined = [json.loads(line) for line in files[0].read_text().splitlines()]
    written = {code_digest(row["code"]): (f"w1 w{at} to", f"open w{at} of text") for at, row in enumerate(mined[:20])}
    extra = tmp_path / "written.jsonl"
    extra.write_text("".join(json.dumps(row) + "\n" for row in written_pairs(mined, written)))
    with ThreadPoolExecutor(1) as pool:
        prepare([*files, extra], folder / "prepared", encoder, query_tokens=12, code_tokens=24, pool=pool)
    return load_pairs(folder / "prepared")


def test_written_queries_stand_beside_the_documentation_of_their_code(tmp_path, prepared):
    pairs = _with_written(tmp_path, prepared)
    written = np.flatnonzero(pairs.written)
    assert len(written) == len(pairs) - 64 >= 40
    for row in written:
        twins = np.flatnonzero(pairs.unit == pairs.unit[row])
        originals = [pairs.queries[twin].tolist() for twin in twins if not pairs.written[twin]]
        assert pairs.documentation[row].tolist() in originals
        assert pairs.queries[row].tolist() not in originals
    for row in np.flatnonzero(~pairs.written):
        assert pairs.documentation[row].tolist() == pairs.queries[row].tolist()


def test_a_batch_has_each_code_once_and_written_queries_as_they_are(tmp_path, prepared):
    pairs = _with_written(tmp_path, prepared)
    data = _recipe(prepared[0]).data.model_copy(update={"asked": 1.0, "renamed": 0.0, "documented": 1.0, "normal": 0.0})
    words = np.unique(pairs.codes.flat).astype(np.int64)

    def batches(share):
        sampler = Sampler(pairs, data.model_copy(update={"written": share}), 7, words, VOCABULARY)
        return [sampler.batch(step, 8, 5) for step in range(8)]

    for batch in batches(1.0):
        assert pairs.written[batch.rows].all()
        assert len(set(pairs.unit[batch.rows].tolist())) == len(batch.rows)
        assert [ids.tolist() for ids in batch.queries] == [pairs.queries[row].tolist() for row in batch.rows]
    assert any(not pairs.written[batch.rows].all() for batch in batches(0.0))


def test_the_shipped_written_queries_read_and_leave_out_who_is_left_out():
    found = read_written()
    assert len(found) >= 1_800
    assert all(len(code) == 16 and len(set(queries)) == 2 for code, queries in found.items())
    with gzip.open(WRITTEN, "rt", encoding="utf-8") as stream:
        sources = {json.loads(line)["source"] for line in stream}
    mined = {each["package"] for each in json.loads(PACKAGES.read_text()) if not each.get("held_out")}
    assert {source.split(":", 1)[1].rsplit("@", 1)[0] for source in sources} <= mined


@pytest.mark.parametrize("line", ["not json", "[]", '{"code": "0"}', '{"code": "0", "web": "w"}'])
def test_a_broken_line_of_written_queries_is_named(tmp_path, line):
    path = tmp_path / "written.jsonl.gz"
    path.write_bytes(gzip.compress(f'{{"code": "0", "web": "w", "question": "q"}}\n{line}\n'.encode()))
    with pytest.raises(UsageError, match=r"written\.jsonl\.gz:2"):
        read_written(path)
    with pytest.raises(UsageError, match=r"none\.gz"):
        read_written(tmp_path / "none.gz")


def test_words_are_replaced_alike_everywhere(prepared):
    folder, *_ = prepared
    pairs = load_pairs(folder / "prepared")
    words = np.unique(pairs.codes.flat).astype(np.int64)
    always = _recipe(folder).data.model_copy(update={"renamed": 1.0, "renamed_words": 1.0})
    sampler = Sampler(pairs, always, 7, words, VOCABULARY)
    ids = np.array([*words[:3], *words[:3], 59_999], np.int32)
    renamed = sampler._renamed(np.random.default_rng(1), ids)
    assert renamed[:3].tolist() == renamed[3:6].tolist()
    assert renamed[6] == 59_999
    assert set(renamed[:3].tolist()) <= set(words.tolist())


def test_the_shipped_recipe_reads():
    recipe = read_recipe(SHIPPED)
    assert recipe.model.depths == (2, 4, 6)
    longer = recipe.model_copy(update={"run": recipe.run.model_copy(update={"steps": recipe.run.steps + 1})})
    faster = recipe.model_copy(update={"run": recipe.run.model_copy(update={"rate": 1.0})})
    assert longer.identity() == recipe.identity() != faster.identity()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("steps = 12", "steps = 0", "run.steps"),
        ("steps = 12", "stepz = 12", "run.steps"),
        ("exits = { 1 = 0.5, 3 = 1.0 }", "exits = { 1 = 0.5 }", "exits"),
        ("[run]", "[run", "cannot be read"),
    ],
)
def test_a_wrong_recipe_is_named(tmp_path, old, new, said):
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE.replace(old, new))
    with pytest.raises(UsageError, match=r"recipe\.toml") as error:
        read_recipe(path)
    assert said in str(error.value)


def test_held_out_pairs_are_sets_that_read(tmp_path):
    rows = [
        {"query": f'question {number} says "a/b and kind:x -no', "code": f"def f{number}(): pass", "language": "python"}
        for number in range(CANDIDATES + 50)
    ]
    rows += [rows[0]] + [{"query": f"few {n}", "code": "x", "language": "go"} for n in range(QUERIES - 1)]
    (written,) = write_sets(rows, tmp_path)
    found = read_set(written)
    assert (len(found.queries), len(found.texts)) == (QUERIES, CANDIDATES)
    query, answers = next(iter(found.relevance.items()))
    (answer,) = answers
    assert found.queries[query].split()[1] in found.texts[answer].text


def _recipe(folder):
    path = folder / "recipe.toml"
    path.write_text(RECIPE)
    return read_recipe(path)
