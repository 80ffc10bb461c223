"""An index of `mbpp-recorded` rewritten from its recording, searched as anybody would: the figures of the evaluation.

The real encoder, the real generator's recording, and on the query's side a server on the loopback that replays it.
"""

import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from indexer.generators.recorded import Recorded
from indexer.index import Index
from indexer.rewriting import rewrite
from indexer.settings import Settings
from search.engine import Engine, Wanted
from search.retrieval import Mode

_SET = Path(__file__).parents[3] / "data" / "mbpp-recorded"
_SYSTEMS = {"bm25": (Mode.LEXICAL, False), "vectors": (Mode.VECTOR, False), "ranked": (Mode.HYBRID, True)}
# What `fathom eval --rewriter recorded` measures of the same: MRR@10 of `rewritten` and of `reco+purpose`. The engine
# differs in that it names near-duplicates under a hit, and that its vocabulary knows what was written.
_WITHOUT = {"bm25": 0.868, "vectors": 0.914, "ranked": 0.932}
_WITH = {"bm25": 0.936, "vectors": 0.953, "ranked": 0.962}
_TOLERANCE = 0.015


def _rows(name):
    return [json.loads(line) for line in (_SET / name).read_text().splitlines()]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The folder of the rewritten index."""
    folder = tmp_path_factory.mktemp("mbpp") / "index"
    settings = Settings(index=folder)
    Index.build(folder, [str(_SET / "corpus.jsonl")], settings=settings).close()
    with closing(Recorded(_SET)) as generator:
        done = rewrite(folder, settings, generator)
    assert (done.written, done.failed) == (500, {})
    return folder


def _mean_reciprocal_rank(engine, mode, rank, rewrite_ms):
    answers = dict(line.split("\t")[:2] for line in (_SET / "qrels.tsv").read_text().splitlines()[1:])
    queries = {row["_id"]: row["text"] for row in _rows("queries.jsonl")}
    wanted = [Wanted(text, mode=mode, rank=rank, rewrite_ms=rewrite_ms) for text in queries.values()]
    found = []
    for query, answer in zip(queries, engine.answers(wanted), strict=True):
        assert bool(answer.rewriting) == bool(rewrite_ms), answer.notes
        paths = [hit.path for hit in answer.hits]
        found.append(1 / (1 + paths.index(answers[query])) if answers[query] in paths else 0.0)
    return float(np.mean(found))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_searches_reach_the_figures_of_the_evaluation(place, serve, plays, tmp_path):
    exemplars = {row["_id"]: row["exemplars"][0] for row in _rows("exemplars.jsonl")}
    written = {row["text"]: exemplars[row["_id"]] for row in _rows("queries.jsonl")}

    def replays(handler):
        asked = handler.body["messages"][-1]["content"]
        query = next(text for text in written if text in asked)
        plays.says(f"```python\n{written[query]}\n```")(handler)

    chosen = Settings(index=place, cache=tmp_path, generator_url=serve(replays).url, generator_model="recorded")
    with closing(Index.open(place)) as index, closing(Engine(index, settings=chosen)) as engine:
        for wanted, rewrite_ms in ((_WITHOUT, 0), (_WITH, 60_000)):
            found = {name: _mean_reciprocal_rank(engine, *how, rewrite_ms) for name, how in _SYSTEMS.items()}
            assert found == pytest.approx(wanted, abs=_TOLERANCE)
