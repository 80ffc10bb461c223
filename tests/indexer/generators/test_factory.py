"""Choosing a generator, and a set evaluated with a server whose writing is recorded."""

import json

import pytest

from cli.main import run
from indexer.errors import IndexBusy, UsageError
from indexer.generators.factory import GeneratorSettings, Kind, open_generator, read_kind
from indexer.generators.interface import Budget, Request, Task


@pytest.mark.parametrize("text", ["", "psychic", "psychic:x", "RECORDED"])
def test_an_unknown_kind_is_said_with_the_list(text):
    with pytest.raises(UsageError, match="choose recorded, endpoint, local"):
        read_kind(text)


def test_a_folder_may_hold_colons(tmp_path):
    assert read_kind("recorded") == (Kind.RECORDED, None)
    assert read_kind(f"endpoint:{tmp_path}/a:b") == (Kind.ENDPOINT, tmp_path / "a:b")


def test_settings_show_no_key():
    assert "sk-1" not in repr(GeneratorSettings("http://host/v1", "tiny", "sk-1"))


@pytest.mark.parametrize(
    "settings", [GeneratorSettings(), GeneratorSettings("http://host/v1"), GeneratorSettings("", "tiny")]
)
def test_a_server_needs_an_address_and_a_model(settings, tmp_path):
    with pytest.raises(UsageError, match="FATHOM_GENERATOR_URL and FATHOM_GENERATOR_MODEL"):
        open_generator(Kind.ENDPOINT, tmp_path / "new", settings)
    assert not (tmp_path / "new").exists()


def test_what_a_server_writes_is_recorded_and_replayed(serve, plays, tmp_path):
    server = serve(plays.good)
    settings = GeneratorSettings(server.url, "tiny", "sk-1")
    ask = Request(Task.EXEMPLAR, "largest", key="q1", language="python")
    generator = open_generator(Kind.ENDPOINT, tmp_path, settings)
    with pytest.raises(IndexBusy):
        open_generator(Kind.ENDPOINT, tmp_path, settings)
    assert generator.generate(ask, Budget(20)).texts == generator.generate(ask, Budget(20)).texts == (plays.CODE,)
    generator.close()
    assert len(server.seen) == 1
    replayed = open_generator(Kind.RECORDED, tmp_path, GeneratorSettings())
    assert replayed.generate(ask, Budget(20)).texts == (plays.CODE,)
    replayed.close()
    assert "sk-1" not in (tmp_path / "exemplars.jsonl").read_text()


def test_an_evaluation_goes_on_where_a_failing_server_ended_it(serve, plays, small_sets, tmp_path, monkeypatch, capfd):
    folder, kept = small_sets.text_set(tmp_path / "tiny"), tmp_path / "kept"
    monkeypatch.setenv("FATHOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FATHOM_PROCESSES", "1")
    monkeypatch.setenv("FATHOM_GENERATOR_MODEL", "tiny")

    def evaluated(rewriter):
        return run(["eval", "--json", "--mode", "lexical", "--rewriter", rewriter, str(folder)])

    failing = serve(plays.good, plays.good, plays.fault(401, "no"))
    monkeypatch.setenv("FATHOM_GENERATOR_URL", failing.url)
    assert evaluated(f"endpoint:{kept}") == 5
    said = capfd.readouterr()
    assert said.out == ""
    assert "answers 401: no" in said.err
    assert len((kept / "exemplars.jsonl").read_text().splitlines()) == 2

    good = serve(plays.good)
    monkeypatch.setenv("FATHOM_GENERATOR_URL", good.url)
    assert evaluated(f"endpoint:{kept}") == 0
    # One exemplar was missing; a purpose and a rewriting are for each of the four texts.
    assert len(good.seen) == 1 + 2 * len(small_sets.TEXTS)
    written = json.loads(capfd.readouterr().out)[0]
    assert written["rewriter"]["exemplars"] == 3
    assert evaluated(f"recorded:{kept}") == 0
    replayed = json.loads(capfd.readouterr().out)[0]
    assert replayed["systems"] == written["systems"]
