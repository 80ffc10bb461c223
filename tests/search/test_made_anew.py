"""An index that someone deletes, and makes anew, under whoever reads it: no answer of the old one comes afterwards."""

import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from indexer.errors import IndexMissing
from indexer.index import Index
from indexer.settings import Settings
from search.engine import Engine
from search.service import Service


@pytest.fixture
def sources(tmp_path):
    """Two folders whose units have the same keys and other names."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        text = "\n\n".join(f"def close_{name}_{n}(sock):\n    return sock.close({n})" for n in range(5))
        (tmp_path / name / f"{name}.py").write_text(text + "\n")
    return tmp_path / "one", tmp_path / "two"


def _paths(engine):
    return {hit.path for hit in engine.search("close sock").hits}


def _build(settings, source, encoder):
    return Index.build(settings.index, [str(source)], settings=settings, encoder=encoder)


def test_readers_in_every_thread_go_over_to_the_new_one(tmp_path, sources, stub_encoder):
    settings = Settings(index=tmp_path / "index", processes=1)
    engine = Engine(_build(settings, sources[0], stub_encoder), stub_encoder, settings)
    with ThreadPoolExecutor(1) as other:
        assert _paths(engine) == other.submit(_paths, engine).result() == {"one.py"}
        shutil.rmtree(settings.index)
        with pytest.raises(IndexMissing):
            engine.search("close sock")
        _build(settings, sources[1], stub_encoder).close()
        assert _paths(engine) == other.submit(_paths, engine).result() == _paths(engine) == {"two.py"}


def test_what_is_pinned_stays_as_it_was(tmp_path, sources, stub_encoder):
    settings = Settings(index=tmp_path / "index", processes=1)
    index = _build(settings, sources[0], stub_encoder)
    with index.view() as view:
        keys = view.catalogue.keys.tolist()
        shutil.rmtree(settings.index)
        other = _build(settings, sources[1], stub_encoder)
        with other.view() as new:
            assert {head.path for head in new.store.heads(keys).values()} == {"two.py"}
        assert {head.path for head in view.store.heads(keys).values()} == {"one.py"}
        assert {unit.path for unit in view.store.units(keys).values()} == {"one.py"}
    with index.view() as view:
        assert {head.path for head in view.store.heads(keys).values()} == {"two.py"}


def test_suggestions_and_files_are_those_of_the_new_one(tmp_path, sources, stub_encoder):
    settings = Settings(index=tmp_path / "index", processes=1)
    _build(settings, sources[0], stub_encoder).close()
    service = Service(settings, encoder=stub_encoder)
    before = service.version()
    assert {each.text for each in service.suggest("close")} == {f"close_one_{n}" for n in range(5)}
    shutil.rmtree(settings.index)
    _build(settings, sources[1], stub_encoder).close()
    assert {each.text for each in service.suggest("close")} == {f"close_two_{n}" for n in range(5)}
    assert [each.path for each in service.files().files] == ["two.py"]
    assert service.version() != before


@pytest.mark.slow
def test_the_same_on_every_composition(tmp_path, sources, distributed, stub_encoder):
    settings = Settings(index=tmp_path / "index", processes=1, **distributed)
    engine = Engine(_build(settings, sources[0], stub_encoder), stub_encoder, settings)
    assert _paths(engine) == {"one.py"}
    _delete(settings)
    _build(settings, sources[1], stub_encoder).close()
    assert _paths(engine) == {"two.py"}


def _delete(settings):
    from indexer.cluster.connection import Cluster

    shutil.rmtree(settings.index, ignore_errors=True)
    cluster = Cluster(settings)
    cluster.clear()
    cluster.close()
