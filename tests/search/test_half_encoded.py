"""A search while vectors come: what has none yet must still be found by its words."""

import pytest

from indexer.index import Index, deepen, writing
from indexer.settings import Settings
from indexer.sources.factory import open_source
from search.classes import QueryClass
from search.engine import Engine
from search.ranking.weights import fitted


def _write(folder, count, word):
    folder.mkdir()
    for number in range(count):
        (folder / f"{word}{number}.py").write_text(f"def {word}_{number}(value):\n    return value + {number}\n")


@pytest.fixture
def index(tmp_path, stub_encoder):
    _write(tmp_path / "encoded", 40, "common")
    _write(tmp_path / "waiting", 5, "special")
    with writing(tmp_path / "index", Settings(processes=1), stub_encoder) as pipeline:
        for name, encode in (("encoded", True), ("waiting", False)):
            source = open_source(
                str(tmp_path / name), cache=tmp_path / "cache", include_vendored=False, max_bytes=1 << 20
            )
            pipeline.refresh(source)
            if encode:
                pipeline.encode()
    index = Index.open(tmp_path / "index")
    yield index
    index.close()


def test_a_unit_without_a_vector_is_found_by_its_words(index, stub_encoder):
    answer = Engine(index, stub_encoder).search("where is the special value returned")
    assert answer.complete == pytest.approx(40 / 45)
    assert {hit.repository for hit in answer.hits[:5]} == {"waiting"}


def test_a_symbol_without_a_vector_is_first(index, stub_encoder):
    assert Engine(index, stub_encoder).search("special_3").hits[0].symbol == "special_3"


def test_vectors_alone_do_not_find_it(index, stub_encoder):
    answer = Engine(index, stub_encoder).search("special value", mode="vector")
    assert {hit.repository for hit in answer.hits} == {"encoded"}


def test_words_weigh_more_until_most_vectors_are_deep(tmp_path, stub_encoder):
    _write(tmp_path / "source", 12, "special")
    shallow = Settings(index=tmp_path / "index", processes=1, depth=0)
    engine = Engine(
        Index.build(shallow.index, [str(tmp_path / "source")], settings=shallow, encoder=stub_encoder), stub_encoder
    )
    asked = "where is the special value number 7 returned"

    def weight():
        """The best unit by words has all that they weigh."""
        return max(hit.parts["bm25"] for hit in engine.search(asked, 12).hits)

    assert weight() == pytest.approx(fitted(shallow=True)[QueryClass.LANGUAGE]["bm25"])
    deepen(shallow.index, Settings(processes=1), stub_encoder)
    assert weight() == pytest.approx(fitted()[QueryClass.LANGUAGE]["bm25"])
