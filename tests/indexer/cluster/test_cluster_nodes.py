"""Three nodes with a copy of each shard: one is killed while the index is asked, and while it is written."""

import threading

import pytest

pytest.importorskip("elasticsearch", reason="the extra `elasticsearch` is not installed")

from indexer.index import Index
from indexer.settings import Settings
from search.engine import Engine, Wanted

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]

_FILES = 400
_QUERIES = 1_000


@pytest.fixture(scope="module")
def nodes(elasticsearch_server):
    try:
        cluster = elasticsearch_server.Cluster(3)
    except elasticsearch_server.ServerMissing as error:
        pytest.skip(str(error))
    yield cluster
    cluster.close()


def _tree(folder, first, count):
    folder.mkdir(exist_ok=True)
    for number in range(first, first + count):
        (folder / f"part{number}.py").write_text(f"def part{number}_read():\n    return 'common', 'word{number}'\n")
    return folder


@pytest.mark.parametrize("back_end", ["elasticsearch", "elasticsearch-alone"])
def test_a_killed_node_costs_no_answer_and_no_unit(nodes, tmp_path, quick, stub_encoder, back_end):
    tree = _tree(tmp_path / "tree", 0, _FILES)
    settings = Settings(
        index=tmp_path / "index",
        processes=1,
        backend=back_end,
        elasticsearch_url=tuple(nodes.urls),
        elasticsearch_name=f"nodes-{back_end}",
    )

    def build():
        return Index.build(settings.index, [str(tree)], settings=settings, encoder=stub_encoder)

    engine = Engine(build(), stub_encoder, settings)
    killing = threading.Timer(1.0, nodes.nodes[1].kill)
    killing.start()
    mode = "hybrid" if back_end == "elasticsearch-alone" else "lexical"
    asked = [Wanted(f"word{number % _FILES} common", mode=mode) for number in range(_QUERIES)]
    answers = list(engine.answers(asked))
    killing.join()
    for number, answer in enumerate(answers):
        assert answer.hits[0].path == f"part{number % _FILES}.py"
        assert answer.notes == ()
    nodes.start(nodes.nodes[1])
    nodes.wait(3)
    _tree(tree, _FILES, _FILES)
    killing = threading.Timer(0.3, nodes.nodes[2].kill)
    killing.start()
    index = build()
    killing.join()
    with index.view() as view:
        assert len(view.lexical.containing(["common"])) == view.manifest.documents == 2 * _FILES
        assert len(view.vectors) == 2 * _FILES
    assert index.store.faults() == []
    nodes.start(nodes.nodes[2])
    nodes.wait(3)
