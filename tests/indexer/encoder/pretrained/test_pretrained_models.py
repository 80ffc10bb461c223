"""Models of other libraries, small and random: their vectors are theirs, from the terminal to the answer.

What is run here has the architecture of real models, not their weights: nothing is fetched.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

_WHY = "the extra `models` is not installed: pip install 'fathom-search[models]'"
torch = pytest.importorskip("torch", reason=_WHY)
pytest.importorskip("sentence_transformers", reason=_WHY)

from cli.main import run  # noqa: E402
from indexer.encoder.factory import identify, open_encoder  # noqa: E402
from indexer.encoder.pretrained import modular  # noqa: E402
from indexer.encoder.units import embed_text  # noqa: E402
from indexer.errors import ModelDamaged, UsageError  # noqa: E402
from indexer.index import Index, load_encoder  # noqa: E402
from indexer.settings import Settings  # noqa: E402
from search.engine import Engine  # noqa: E402
from search.service import Service  # noqa: E402
from tests.indexer.encoder.pretrained import tiny_models as tiny  # noqa: E402

# Loading these libraries takes seconds, everything after that does not.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
ROOT = Path(__file__).resolve().parents[4]
TEXTS = ["sort the list of w1 values", "read(file)", "", "w2 w3 w4", "def open_file(key): return text.parse(key)"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """One model of each kind."""
    base = tmp_path_factory.mktemp("models")
    prompts = {"query": "read the ", "document": "list: "}
    return {
        "sentence": tiny.write_sentence_model(base / "sentence"),
        "prompted": tiny.write_sentence_model(base / "prompted", prompts=prompts, pooling="cls"),
        "last": tiny.write_sentence_model(base / "last", pooling="lasttoken"),
        "static": tiny.write_static_model(base / "static"),
        "modular": tiny.write_modular_model(base / "modular"),
    }


@pytest.fixture
def encoders(folders):
    return lambda name: open_encoder(folders[name], trusted=name == "modular", threads=1)


def theirs(folder):
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


def ids_of(encoder, texts=TEXTS):
    return [tokens.ids for tokens in encoder.tokenise(texts)]


@pytest.mark.parametrize(
    ("name", "depth", "window"), [("sentence", 3, 38), ("prompted", 3, 38), ("last", 3, 38), ("static", 0, 512)]
)
def test_a_model_has_one_depth_and_the_vectors_that_its_library_gives(folders, encoders, name, depth, window):
    encoder = encoders(name)
    assert (encoder.depths, encoder.window, encoder.dimension) == ((depth,), window, tiny.HIDDEN)
    assert (encoder.name, encoder.fingerprint) == identify(folders[name])
    assert encoder.block_scorer is None
    wanted = theirs(folders[name]).encode(TEXTS, normalize_embeddings=True, prompt="")
    made = encoder.encode(ids_of(encoder), depth)
    if name == "static":
        assert made[2].tolist() == [1.0] + [0.0] * (tiny.HIDDEN - 1)
        made, wanted = np.delete(made, 2, axis=0), np.delete(wanted, 2, axis=0)
    np.testing.assert_allclose(made, wanted, atol=1e-6)


def test_prompts_stand_where_the_model_was_saved_with_them(folders, encoders):
    encoder, model = encoders("prompted"), theirs(folders["prompted"])
    assert (encoder.query_prompt, encoder.document_prompt) == ("read the ", "list: ")
    for prompt, encode in (
        (encoder.query_prompt, model.encode_query),
        (encoder.document_prompt, model.encode_document),
    ):
        np.testing.assert_allclose(
            embed_text(encoder, prompt + TEXTS[0], 3), encode(TEXTS[0], normalize_embeddings=True), atol=1e-6
        )


def test_an_index_and_its_queries_are_prompted(tmp_path, quick, encoders, source):
    encoder = encoders("prompted")
    seen = []
    tokenise = encoder.tokenise
    encoder.tokenise = lambda texts: [seen.extend(texts), tokenise(texts)][1]
    index = Index.build(tmp_path / "index", [str(source)], encoder=encoder)
    assert any(text.startswith("list: ") for text in seen)
    assert not any(text.startswith("read the ") for text in seen)
    seen.clear()
    assert Engine(index, encoder).search("sort w1").hits
    assert seen == ["read the sort w1"]


@pytest.mark.parametrize("name", ["sentence", "static", "modular"])
def test_a_vector_does_not_depend_on_its_company(encoders, name):
    encoder = encoders(name)
    ids = ids_of(encoder)
    for depth in encoder.depths:
        together = encoder.encode(ids * 3, depth)
        alone = np.concatenate([encoder.encode([each], depth) for each in ids])
        np.testing.assert_allclose(together, np.tile(alone, (3, 1)), atol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
        assert encoder.encode([], depth).shape == (0, tiny.HIDDEN)


@pytest.mark.parametrize("name", ["sentence", "static", "modular"])
def test_an_unknown_depth_and_a_block_too_long_are_wrong_use(encoders, name):
    encoder = encoders(name)
    with pytest.raises(UsageError, match=f"no exit at depth 99; it has {encoder.depths[0]}"):
        encoder.encode([], 99)
    with pytest.raises(UsageError, match="window"):
        encoder.encode([np.ones(encoder.window + 1, np.int32)], encoder.depths[-1])


def test_tokens_know_their_characters_and_none_is_dropped(encoders):
    text = "sort List " * 50
    (tokens,) = encoders("sentence").tokenise([text])
    assert len(tokens.ids) == 100
    assert [text[start] for start in tokens.starts[:4]] == ["s", "L", "s", "L"]


# models of several exits


def test_exits_of_the_configuration_are_depths_and_cut_models_are_the_whole_ones(encoders):
    encoder = encoders("modular")
    assert (encoder.depths, encoder.dimension) == ((1, 2, 4), tiny.HIDDEN)
    ids = ids_of(encoder)
    whole = encoder._deepest()
    for number, depth in enumerate(encoder.depths):
        made = encoder.encode(ids, depth)
        assert len(encoder._models[depth].trunk.layers) == depth
        with torch.inference_mode():
            framed = [torch.from_numpy(encoder._input.rows([each]).astype(np.int64)) for each in ids]
            wanted = [whole(input_ids=each).projected_pooled_normalized[number][0].numpy() for each in framed]
        np.testing.assert_allclose(made, wanted, atol=1e-6)


def test_texts_are_framed_as_in_training(encoders):
    encoder = encoders("modular")
    separator, pooled = tiny.WORDS.index("[SEP]"), tiny.WORDS.index("[CLS]")
    (tokens,) = encoder.tokenise([f"{encoder.document_prompt}sort"])
    (row,) = encoder._input.rows([tokens.ids])
    assert (row[0], row[-3], row[-2], row[-1]) == (separator, separator, tiny.WORDS.index("sort"), pooled)


def test_a_cut_that_means_something_else_is_not_used(encoders, monkeypatch):
    encoder = encoders("modular")
    wanted = encoder.encode(ids_of(encoder), 1)
    monkeypatch.setattr(modular, "_SAME", 0.0)
    fresh = encoders("modular")
    np.testing.assert_allclose(fresh.encode(ids_of(fresh), 1), wanted, atol=1e-6)
    assert fresh._models[1] is fresh._models[4]


def test_code_of_a_model_does_not_run_untrusted(folders, tmp_path, monkeypatch):
    bait = shutil.copytree(folders["modular"], tmp_path / "bait")
    ran = tmp_path / "ran"
    for name in ("configuration_tiny.py", "modeling_tiny.py"):
        (bait / name).write_text(f"open({str(ran)!r}, 'w').close()\n" + (bait / name).read_text())
    said = r"configuration_tiny\.py, modeling_tiny\.py.*--model and add --trust-remote-code"
    with pytest.raises(UsageError, match=said):
        open_encoder(bait)
    assert not ran.exists()
    load_encoder(Settings(model=bait, trust_remote_code=bait))
    assert ran.exists()


def test_modules_of_a_models_own_do_not_run_untrusted(folders, tmp_path):
    bait = shutil.copytree(folders["sentence"], tmp_path / "bait")
    ran = tmp_path / "ran"
    (bait / "own.py").write_text(
        f"open({str(ran)!r}, 'w').close()\n"
        "from sentence_transformers.sentence_transformer.modules import Normalize\n\n\n"
        "class Own(Normalize):\n    pass\n"
    )
    modules = json.loads((bait / "modules.json").read_text())
    modules[-1]["type"] = "own.Own"
    (bait / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(UsageError, match=r"own\.py.*--trust-remote-code"):
        open_encoder(bait)
    assert not ran.exists()
    assert open_encoder(bait, trusted=True).dimension == tiny.HIDDEN
    assert ran.exists()


# what is wrong with a folder


@pytest.mark.parametrize(
    "damage", ["truncated", "empty", "other weights", "config", "tokenizer", "module", "not numbers"]
)
def test_a_damaged_file_is_said(folders, tmp_path, damage):
    folder = shutil.copytree(folders["sentence"], tmp_path / "damaged")
    weights = folder / "model.safetensors"
    if damage == "truncated":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif damage == "empty":
        weights.write_bytes(b"")
    elif damage == "other weights":
        shutil.copy(folders["static"] / "model.safetensors", weights)
    elif damage == "config":
        (folder / "config.json").write_text('{"model_type": "bert", "hidden_size": 33}')
    elif damage == "tokenizer":
        (folder / "tokenizer.json").write_text("{")
    elif damage == "module":
        shutil.rmtree(folder / "1_Pooling")
    else:
        from safetensors.torch import load_file, save_file

        save_file({name: value * np.nan for name, value in load_file(weights).items()}, weights, {"format": "pt"})
    with pytest.raises(ModelDamaged, match=r"cannot be loaded|lacks \d+ of|not numbers"):
        open_encoder(folder)


def test_a_prompt_that_fills_the_window_is_refused(tmp_path):
    folder = tiny.write_sentence_model(tmp_path / "wordy", prompts={"query": "w1 " * 30})
    with pytest.raises(UsageError, match=r"prompt 'w1 w1 .*takes 30 of 38 tokens"):
        open_encoder(folder)


# from the terminal


@pytest.fixture
def source(tmp_path):
    (tmp_path / "source").mkdir()
    for name, body in {"sort": "sorted(list)", "read": "open(file).read()", "parse": "text.parse(number)"}.items():
        (tmp_path / "source" / f"{name}.py").write_text(f"def {name}(list, file, text):\n    return {body}\n")
    (tmp_path / "source" / "long.py").write_text("def long(w1):\n" + "    w2 = w3(w4, w5)\n" * 60)
    return tmp_path / "source"


@pytest.fixture
def terminal(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FATHOM_INDEX", str(tmp_path / "index"))
    monkeypatch.setenv("FATHOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FATHOM_PROCESSES", "1")

    def call(*arguments):
        code = run(list(map(str, arguments)))
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return code, said.out, said.err

    return call


@pytest.mark.parametrize("name", ["sentence", "prompted", "static", "modular"])
def test_a_model_works_from_indexing_to_the_answer(terminal, folders, source, name):
    own = ["--model", folders[name], *(["--trust-remote-code"] if name == "modular" else [])]
    code, out, err = terminal("index", *own, "--json", source)
    assert code == 0, err
    assert json.loads(out)["encoded"] >= 4
    code, out, _ = terminal("search", *own, "--json", "sort the list")
    answer = json.loads(out)
    assert (code, answer["complete"]) == (0, 1.0)
    assert "sort.py" in {hit["path"] for hit in answer["hits"]}
    assert any(hit["parts"].get("vector") for hit in answer["hits"])
    late = {hit["parts"].get("late", 0.0) for hit in answer["hits"]}
    assert (late == {0.0}) == (name != "static"), "only a static table has vectors of single words"
    assert terminal("similar", *own, f"{source}/sort.py:1")[0] == 0
    depths = json.loads(terminal("status", "--json")[1])["depths"]
    assert list(depths) == [{"static": "0", "modular": "4"}.get(name, "3")]


def test_exits_deepen(terminal, folders, source):
    own = ["--model", folders["modular"], "--trust-remote-code"]
    assert terminal("index", *own, "--depth", "1", source)[0] == 0
    assert json.loads(terminal("status", "--json")[1])["depths"] == {"1": 4}
    assert terminal("search", *own, "sort the list")[0] == 0
    assert terminal("deepen", *own, "--depth", "2")[0] == 0
    assert json.loads(terminal("status", "--json")[1])["depths"] == {"2": 4}
    code, _, err = terminal("deepen", *own, "--depth", "3")
    assert (code, "it has 1, 2, 4" in err) == (2, True)


def test_an_index_refuses_another_model_by_name(terminal, folders, source):
    assert terminal("index", "--model", folders["sentence"], source)[0] == 0
    for other, command in ((["--model", folders["static"]], "static"), ([], "fathom-multiexit")):
        for words in (["search", *other, "sort"], ["index", *other, source], ["remove", *other, "source"]):
            code, _, err = terminal(*words)
            assert code == 3
            assert f"made with another model: sentence, and this is {command}" in err
            assert "--model" in err
    assert terminal("search", "--mode", "lexical", "sort")[0] == 0
    assert terminal("remove", "--model", folders["sentence"], "source")[0] == 0


@pytest.mark.parametrize("command", [["index", "."], ["search", "sort"], ["eval", "."], ["serve"], ["deepen"]])
def test_a_wrong_folder_is_said_before_anything_is_done(terminal, folders, source, tmp_path, command):
    pytest.importorskip("ir_measures", reason="the extra `eval` is not installed")
    assert terminal("index", "--model", folders["sentence"], source)[0] == 0
    code, _, err = terminal(command[0], "--model", "sentence-transformers/all-MiniLM-L6-v2", *command[1:])
    assert (code, "no model over the network" in err) == (2, True)


def test_serving_answers_with_the_model(folders, source, tmp_path, quick):
    settings = Settings(index=tmp_path / "index", model=folders["sentence"])
    Index.build(settings.index, [str(source)], settings=settings)
    answer = Service(settings).search("sort the list")
    assert "sort.py" in {hit.path for hit in answer.hits}
    assert answer.complete == 1.0


def test_serving_says_what_is_wrong_before_workers_are_begun(terminal, folders, source, tmp_path):
    own = ["--model", folders["modular"]]
    assert terminal("index", *own, "--trust-remote-code", source)[0] == 0
    code, _, err = terminal("serve", *own)
    assert (code, "--trust-remote-code" in err) == (2, True)


def test_eval_measures_the_model(terminal, small_sets, folders, tmp_path):
    pytest.importorskip("ir_measures", reason="the extra `eval` is not installed")
    folder = small_sets.text_set(tmp_path / "sets" / "tiny")
    code, out, err = terminal("eval", "--model", folders["sentence"], "--json", folder)
    assert code == 0, err
    assert {"bm25", "vectors", "fused", "ranked"} == set(json.loads(out)[0]["systems"])


# memory


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's address limits")
def test_torch_goes_on_in_smaller_batches_where_memory_is_really_short(folders):
    program = f"""
        import resource, torch
        import numpy as np
        from pathlib import Path
        from indexer.encoder.batches import Batches
        from indexer.encoder.factory import open_encoder
        from indexer.errors import OutOfMemory

        encoder = open_encoder(Path({str(folders["sentence"])!r}), threads=1)
        ids = [np.full(38, 10 + row % 60, np.int32) for row in range(10_000)]
        wanted = encoder.encode(ids[:2], 3)
        encoder._batches = Batches(10_000 * 40)
        now = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + (40 << 20),) * 2)
        made = encoder.encode(ids, 3)
        assert np.abs(made[:2] - wanted).max() < 1e-6
        print(encoder.shortage)
        """
    told = {**os.environ, "PYTHONPATH": str(ROOT), "MALLOC_ARENA_MAX": "1"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], env=told, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "memory was short: batches of" in done.stdout
