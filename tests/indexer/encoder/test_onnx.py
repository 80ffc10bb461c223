"""The ONNX encoder, exit by exit, against an independent numpy forward pass, and against damage."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexer.encoder.files import read_config
from indexer.encoder.interface import Encoder
from indexer.encoder.onnx import OnnxEncoder, default_model_folder
from indexer.encoder.units import embed_text
from indexer.errors import IndexIncompatible, ModelDamaged, UsageError
from indexer.index import Index, deepen

onnx = pytest.importorskip("onnx", reason="the extra `train` is not installed")
export = pytest.importorskip("indexer.training.export")
trunk = pytest.importorskip("indexer.training.trunk").trunk

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "def", "return", "sort", "list", "(", ")", ":", "a", "b", "##s"]
SHAPE = export.Shape(layers=2, hidden=32, heads=4, positions=40, epsilon=1e-12, words=len(WORDS))
DEPTHS = (0, 1, 2)
FILES = ("exit-1.onnx", "exit-2.onnx", "weights.bin", "static.npz", "tokenizer.json", "config.json")


def random_weights(seed: int = 7) -> dict[str, np.ndarray]:
    """A BERT's weights under the names that Hugging Face gives them."""
    random = np.random.default_rng(seed)

    def make(*sizes: int) -> np.ndarray:
        return (random.standard_normal(sizes) * 0.15).astype(np.float32)

    weights = {
        "embeddings.word_embeddings.weight": make(len(WORDS), 32),
        "embeddings.position_embeddings.weight": make(40, 32),
        "embeddings.token_type_embeddings.weight": make(2, 32),
    }
    sizes = {
        "attention.self.query": (32, 32),
        "attention.self.key": (32, 32),
        "attention.self.value": (32, 32),
        "attention.output.dense": (32, 32),
        "intermediate.dense": (128, 32),
        "output.dense": (32, 128),
    }
    for layer in range(2):
        for name, (outputs, inputs) in sizes.items():
            weights[f"encoder.layer.{layer}.{name}.weight"] = make(outputs, inputs)
            weights[f"encoder.layer.{layer}.{name}.bias"] = make(outputs)
    norms = [f"encoder.layer.{layer}.{name}" for layer in range(2) for name in ("attention.output", "output")]
    for name in ["embeddings", *norms]:
        weights[f"{name}.LayerNorm.weight"] = 1 + make(32)
        weights[f"{name}.LayerNorm.bias"] = make(32)
    return weights


def random_exits(seed: int = 8) -> dict[str, np.ndarray]:
    """The heads of both exits, under our names."""
    random = np.random.default_rng(seed)
    sizes = {"score.weight": (1, 32), "score.bias": (1,), "head.weight": (32, 64), "head.bias": (32,)}
    return {
        f"exits.{depth}.{name}": (random.standard_normal(size) * 0.3).astype(np.float32)
        for depth in (1, 2)
        for name, size in sizes.items()
    }


def random_table(seed: int = 9) -> np.ndarray:
    """A token table; the special tokens say nothing."""
    table = np.random.default_rng(seed).standard_normal((len(WORDS), 32)).astype(np.float32)
    table[:4] = 0
    return table


def pooled(state: np.ndarray, exits: dict[str, np.ndarray], depth: int) -> np.ndarray:
    """What an exit makes of the states (tokens, hidden) of one text."""
    vector = state.mean(axis=0)
    if exits:
        shares = np.exp(state @ exits[f"exits.{depth}.score.weight"][0])
        both = np.concatenate([vector, (shares / shares.sum()) @ state])
        vector = exits[f"exits.{depth}.head.weight"] @ both + exits[f"exits.{depth}.head.bias"]
    return vector / np.linalg.norm(vector)


def forward(weights: dict[str, np.ndarray], exits: dict[str, np.ndarray], ids: list[int], depth: int) -> np.ndarray:
    """BERT as its paper says it up to a layer, in numpy, one text at a time."""

    def linear(state: np.ndarray, name: str) -> np.ndarray:
        return state @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(state: np.ndarray, name: str) -> np.ndarray:
        centred = state - state.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
        return scaled * weights[f"{name}.LayerNorm.weight"] + weights[f"{name}.LayerNorm.bias"]

    places = weights["embeddings.position_embeddings.weight"][: len(ids)]
    words = weights["embeddings.word_embeddings.weight"][ids]
    state = norm(words + places + weights["embeddings.token_type_embeddings.weight"][0], "embeddings")
    for layer in range(depth):
        prefix = f"encoder.layer.{layer}"
        parts = [linear(state, f"{prefix}.attention.self.{part}") for part in ("query", "key", "value")]
        query, key, value = (part.reshape(len(ids), 4, 8).transpose(1, 0, 2) for part in parts)
        alpha = np.exp(query @ key.transpose(0, 2, 1) / math.sqrt(8))
        alpha /= alpha.sum(-1, keepdims=True)
        context = (alpha @ value).transpose(1, 0, 2).reshape(len(ids), 32)
        state = norm(linear(context, f"{prefix}.attention.output.dense") + state, f"{prefix}.attention.output")
        inner = linear(state, f"{prefix}.intermediate.dense")
        inner = inner * 0.5 * (1 + np.vectorize(math.erf)(inner / math.sqrt(2)))
        state = norm(linear(inner, f"{prefix}.output.dense") + state, f"{prefix}.output")
    return pooled(state, exits, depth)


def write_tokenizer(path: Path) -> None:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    vocabulary = {word: number for number, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.enable_truncation(4)
    tokenizer.save(str(path))


def write_model(folder: Path, tokenizer: Path, *, quantised: bool = True, seed: int = 0, **options: Any) -> Path:
    weights = trunk(random_weights(seed + 7), SHAPE) | random_exits(seed + 8)
    options = {"static": random_table(seed + 9), "block_scorer": np.linspace(-1, 1, 32).tolist(), **options}
    export.write_folder(folder, weights, SHAPE, [1, 2], tokenizer, "tiny", quantised=quantised, **options)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("models")
    write_tokenizer(base / "tokenizer.json")
    return {
        "float": write_model(base / "float", base / "tokenizer.json", quantised=False),
        "int8": write_model(base / "int8", base / "tokenizer.json"),
        "other": write_model(base / "other", base / "tokenizer.json", seed=100),
    }


@pytest.fixture(scope="module")
def tiny(folders: dict[str, Path]) -> OnnxEncoder:
    return OnnxEncoder.load(folders["int8"], threads=1)


@pytest.fixture
def texts() -> list[np.ndarray]:
    random = np.random.default_rng(3)
    return [random.integers(4, len(WORDS), size=size, dtype=np.int32) for size in [5, 0, 1, 38, 5, 12, 5, 30, 1]]


@pytest.mark.parametrize("depth", [3, -1, 6])
def test_unknown_depth_lists_those_there_are(tiny: OnnxEncoder, depth: int) -> None:
    with pytest.raises(UsageError, match="it has 0, 1, 2"):
        tiny.encode([np.array([4], np.int32)], depth)


@pytest.mark.parametrize("depth", DEPTHS)
def test_block_beyond_the_window_is_refused(tiny: OnnxEncoder, depth: int) -> None:
    with pytest.raises(UsageError, match="39 tokens"):
        tiny.encode([np.full(39, 4, np.int32)], depth)


@pytest.mark.parametrize("name", FILES)
def test_damaged_file_is_named(folders: dict[str, Path], tmp_path: Path, name: str) -> None:
    copy = shutil.copytree(folders["int8"], tmp_path / "model")
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(ModelDamaged, match=name):
        OnnxEncoder.load(copy)


@pytest.mark.parametrize("name", [*FILES, "hashes.json"])
def test_missing_file_is_named(folders: dict[str, Path], tmp_path: Path, name: str) -> None:
    copy = shutil.copytree(folders["int8"], tmp_path / "model")
    (copy / name).unlink()
    with pytest.raises(ModelDamaged, match=name):
        OnnxEncoder.load(copy)


@pytest.mark.parametrize("name", ["exit-1.onnx", "exit-2.onnx", "weights.bin", "static.npz"])
def test_file_of_another_model_is_named(folders: dict[str, Path], tmp_path: Path, name: str) -> None:
    copy = shutil.copytree(folders["float"], tmp_path / "model")
    shutil.copy(folders["other" if name == "static.npz" else "int8"] / name, copy)
    with pytest.raises(ModelDamaged, match=name):
        OnnxEncoder.load(copy)


def test_graphs_that_changed_places_are_named(folders: dict[str, Path], tmp_path: Path) -> None:
    copy = shutil.copytree(folders["int8"], tmp_path / "model")
    (copy / "exit-1.onnx").rename(copy / "kept")
    (copy / "exit-2.onnx").rename(copy / "exit-1.onnx")
    (copy / "kept").rename(copy / "exit-2.onnx")
    with pytest.raises(ModelDamaged, match=r"exit-1\.onnx"):
        OnnxEncoder.load(copy)


@pytest.mark.parametrize("hashes", ["[]", "{}", "null", "not json", '{"config.json": 3}', "\x80"])
def test_unusable_hashes_are_damage(folders: dict[str, Path], tmp_path: Path, hashes: str) -> None:
    copy = shutil.copytree(folders["int8"], tmp_path / "model")
    (copy / "hashes.json").write_bytes(hashes.encode("latin-1"))
    with pytest.raises(ModelDamaged):
        OnnxEncoder.load(copy)


def test_missing_folder_is_damage(tmp_path: Path) -> None:
    with pytest.raises(ModelDamaged, match="nowhere"):
        OnnxEncoder.load(tmp_path / "nowhere")


def reconfigured(source: Path, target: Path, **fields: Any) -> Path:
    """A copy of a model folder whose configuration says something else, and whose hashes agree."""
    shutil.copytree(source, target)
    config = json.loads((target / "config.json").read_text()) | fields
    text = json.dumps({name: value for name, value in config.items() if value is not ...})
    (target / "config.json").write_text(text)
    hashes = json.loads((target / "hashes.json").read_text())
    hashes["config.json"] = hashlib.blake2b(text.encode(), digest_size=32).hexdigest()
    (target / "hashes.json").write_text(json.dumps(hashes))
    return target


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("depths", ...),
        ("depths", []),
        ("depths", [2, 1]),
        ("depths", [1, 1]),
        ("depths", [-1, 2]),
        ("depths", ["all"]),
        ("depths", 2),
        ("dimension", ...),
        ("dimension", 0),
        ("window", -5),
        ("start_id", None),
        ("block_scorer", [1.0, 2.0]),
        ("block_scorer", "sharp"),
    ],
)
def test_a_configuration_that_describes_no_model_is_named(
    folders: dict[str, Path], tmp_path: Path, field: str, value: Any
) -> None:
    with pytest.raises(ModelDamaged, match=rf"config\.json.*{field}"):
        OnnxEncoder.load(reconfigured(folders["int8"], tmp_path / "model", **{field: value}))


@pytest.mark.parametrize(("depth", "name"), [(0, "static.npz"), (1, "exit-1.onnx"), (2, "exit-2.onnx")])
def test_vectors_of_another_size_than_is_said_are_refused(
    folders: dict[str, Path], tmp_path: Path, depth: int, name: str
) -> None:
    encoder = OnnxEncoder.load(reconfigured(folders["int8"], tmp_path / "model", dimension=16, block_scorer=None))
    with pytest.raises(ModelDamaged, match=f"{name}.*32.*16"):
        encoder.encode([np.array([4], np.int32)], depth)


def test_an_exit_that_is_said_and_not_there_is_named(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ModelDamaged, match=r"exit-4\.onnx"):
        OnnxEncoder.load(reconfigured(folders["int8"], tmp_path / "model", depths=[0, 1, 2, 4]))


def test_exits_that_are_not_said_are_not_there(folders: dict[str, Path], tmp_path: Path) -> None:
    encoder = OnnxEncoder.load(reconfigured(folders["int8"], tmp_path / "model", depths=[2]))
    with pytest.raises(UsageError, match="it has 2"):
        encoder.encode([np.array([4], np.int32)], 0)


@pytest.mark.parametrize("depth", [1, 2])
def test_float_graph_equals_the_numpy_forward_pass(
    folders: dict[str, Path], texts: list[np.ndarray], depth: int
) -> None:
    vectors = OnnxEncoder.load(folders["float"], threads=1).encode(texts, depth)
    wanted = [forward(random_weights(), random_exits(), [2, *ids.tolist(), 3], depth) for ids in texts]
    np.testing.assert_allclose(vectors, wanted, atol=3e-6)


@pytest.mark.parametrize("depth", DEPTHS)
def test_int8_is_close_to_float(
    folders: dict[str, Path], tiny: OnnxEncoder, texts: list[np.ndarray], depth: int
) -> None:
    if depth:
        wanted = [forward(random_weights(), random_exits(), [2, *ids.tolist(), 3], depth) for ids in texts]
    else:
        sums = np.array([random_table()[ids].sum(axis=0) if len(ids) else np.eye(32)[0] for ids in texts])
        wanted = list(sums / np.linalg.norm(sums, axis=1, keepdims=True))
    assert (tiny.encode(texts, depth) * np.array(wanted)).sum(axis=1).min() > 0.99


@pytest.mark.parametrize("quantised", [True, False])
def test_an_exit_gives_what_the_deepest_graph_has_there(texts: list[np.ndarray], quantised: bool) -> None:
    """No layer of a shallow graph is another than that of the deepest."""
    import onnxruntime

    weights = trunk(random_weights(), SHAPE) | random_exits()
    deepest = export.build(weights, SHAPE, 2, quantised=quantised)
    deepest.graph.output.append(onnx.helper.make_tensor_value_info("l0.state", onnx.TensorProto.FLOAT, None))
    inside, cut = (
        onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        for model in (deepest, export.build(weights, SHAPE, 1, quantised=quantised))
    )
    for ids in texts:
        inputs = {"ids": np.array([[2, *ids.tolist(), 3]], dtype=np.int32)}
        state = inside.run(["l0.state"], inputs)[0][0]
        np.testing.assert_allclose(cut.run(None, inputs)[0][0], pooled(state, random_exits(), 1), atol=2e-6)


def test_an_exit_without_a_head_is_the_mean(folders: dict[str, Path], tmp_path: Path, texts: list[np.ndarray]) -> None:
    weights, tokenizer = trunk(random_weights(), SHAPE), folders["int8"] / "tokenizer.json"
    export.write_folder(tmp_path / "model", weights, SHAPE, [2], tokenizer, "plain", quantised=False)
    encoder = OnnxEncoder.load(tmp_path / "model", threads=1)
    assert (encoder.depths, encoder.block_scorer) == ((2,), None)
    wanted = [forward(random_weights(), {}, [2, *ids.tolist(), 3], 2) for ids in texts]
    np.testing.assert_allclose(encoder.encode(texts, 2), wanted, atol=3e-6)


@pytest.mark.parametrize("depth", DEPTHS)
def test_vectors_do_not_depend_on_the_batch_or_the_order(
    tiny: OnnxEncoder, texts: list[np.ndarray], depth: int
) -> None:
    together = tiny.encode(texts, depth)
    alone = np.concatenate([tiny.encode([ids], depth) for ids in texts])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_allclose(tiny.encode(texts[::-1], depth)[::-1], together, atol=1e-6)


@pytest.mark.parametrize("depth", DEPTHS)
def test_many_texts_of_one_length_pass_in_several_batches(tiny: OnnxEncoder, depth: int) -> None:
    random = np.random.default_rng(5)
    texts = list(random.integers(4, len(WORDS), size=(300, 20), dtype=np.int32))
    together, few = tiny.encode(texts, depth), tiny.encode([texts[0], texts[150], texts[299]], depth)
    np.testing.assert_allclose(together[[0, 150, 299]], few, atol=1e-6)


@pytest.mark.parametrize("depth", DEPTHS)
def test_vectors_have_norm_one_and_no_texts_give_none(tiny: OnnxEncoder, texts: list[np.ndarray], depth: int) -> None:
    np.testing.assert_allclose(np.linalg.norm(tiny.encode(texts, depth), axis=1), 1, atol=1e-5)
    assert tiny.encode([], depth).shape == (0, 32)


def test_a_share_of_exit_0_is_in_every_deeper_vector(
    folders: dict[str, Path], texts: list[np.ndarray], tmp_path: Path
) -> None:
    mixed = OnnxEncoder.load(
        write_model(tmp_path / "mixed", folders["int8"] / "tokenizer.json", static_shares={1: 0.4, 2: 0.2}), 1
    )
    plain = OnnxEncoder.load(folders["int8"], 1)
    assert mixed.fingerprint != plain.fingerprint
    first = plain.encode(texts, 0)
    np.testing.assert_array_equal(mixed.encode(texts, 0), first)
    for depth in (1, 2):
        joined = plain.encode(texts, depth) + {1: 0.4, 2: 0.2}[depth] * first
        joined /= np.linalg.norm(joined, axis=1, keepdims=True)
        np.testing.assert_allclose(mixed.encode(texts, depth), joined, atol=1e-6)
        assert mixed.encode([], depth).shape == (0, 32)


@pytest.mark.parametrize("shares", [{"1": -0.1}, {"1": 1}, {"2": "much"}, {"0": 0.1}, {"3": 0.1}, 0.1])
def test_shares_that_are_none_are_refused_by_name(folders: dict[str, Path], tmp_path: Path, shares: object) -> None:
    copy = shutil.copytree(folders["int8"], tmp_path / "model")
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "static_shares": shares}))
    with pytest.raises(ModelDamaged, match=r"config\.json.*static_shares"):
        read_config(copy)


def test_tokens_are_not_truncated_and_know_their_characters(tiny: OnnxEncoder) -> None:
    text = "sort  lists\n" * 50
    tokens, empty = tiny.tokenise([text, ""])
    assert [WORDS[token] for token in tokens.ids[:3]] == ["sort", "list", "##s"]
    assert tokens.starts[:4].tolist() == [0, 6, 10, 12]
    assert len(tokens.ids) == 150
    assert len(empty.ids) == len(empty.starts) == 0
    assert tokens.ids.dtype == tokens.starts.dtype == np.int32


@pytest.mark.parametrize(
    ("text", "words", "starts"),
    [
        ("sortList(a)", ["sort", "list", "(", "a", ")"], [0, 4, 8, 9, 10]),
        ("ASortList", ["a", "sort", "list"], [0, 1, 5]),
        ("sort_list", ["sort", "list"], [0, 5]),
        ("__sort__list__", ["sort", "list"], [2, 8]),
        ("SORT_LIST", ["sort", "list"], [0, 5]),
        ("sort9List", ["[UNK]", "list"], [0, 5]),
        ("é_sortList", ["[UNK]", "sort", "list"], [0, 2, 6]),
        ("\n\n  sortList\n\tdef_a", ["sort", "list", "def", "a"], [4, 8, 14, 18]),
        ("_", [], []),
    ],
)
def test_identifiers_are_divided_where_they_are_written(
    tiny: OnnxEncoder, text: str, words: list[str], starts: list[int]
) -> None:
    tokens = tiny.tokenise([text])[0]
    assert [WORDS[token] for token in tokens.ids] == words
    assert tokens.starts.tolist() == starts


@pytest.mark.parametrize("real", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_many_texts_have_the_tokens_that_each_has_alone(tiny: OnnxEncoder, real: bool) -> None:
    encoder = OnnxEncoder.load(threads=1) if real else tiny
    random = np.random.default_rng(6)
    marks = [chr(number) for number in range(128)] + [
        "sortList",
        "A_B__c9D",
        " ",
        "é",
        "列",
        "\u2028",
        "\ufffd",
        "İ",
        "Ⅷ",
        "ß",
    ]
    texts = ["".join(random.choice(marks, size=size)) for size in random.integers(0, 40, size=400)]
    texts += ["", " ", "sortList\r\n\tDEF", "x\x00y", "a\x7fb", "\x0bsort\x0c", "naïve sort"]
    for text, tokens in zip(texts, encoder.tokenise(texts), strict=True):
        (alone,) = encoder.tokenise([text])
        assert (tokens.ids.tolist(), tokens.starts.tolist()) == (alone.ids.tolist(), alone.starts.tolist()), text


def test_long_text_is_the_mean_of_its_blocks(tiny: OnnxEncoder) -> None:
    vector = embed_text(tiny, "sort lists\n" * 40, 2)
    assert vector.shape == (32,)
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_same_weights_give_the_same_bytes(folders: dict[str, Path], tmp_path: Path) -> None:
    again = write_model(tmp_path / "again", folders["int8"].parent / "tokenizer.json")
    for name in (*FILES, "hashes.json"):
        assert (again / name).read_bytes() == (folders["int8"] / name).read_bytes(), name


def test_a_tokenizer_is_made_to_read_code_once(folders: dict[str, Path], tmp_path: Path) -> None:
    again = write_model(tmp_path / "again", folders["int8"] / "tokenizer.json")
    assert (again / "tokenizer.json").read_bytes() == (folders["int8"] / "tokenizer.json").read_bytes()


def test_what_another_model_left_in_the_folder_goes(folders: dict[str, Path], tmp_path: Path) -> None:
    target = shutil.copytree(folders["int8"], tmp_path / "model")
    weights, tokenizer = trunk(random_weights(), SHAPE), folders["int8"] / "tokenizer.json"
    export.write_folder(target, weights, SHAPE, [1], tokenizer, "shallow")
    assert OnnxEncoder.load(target).depths == (1,)
    assert {path.name for path in target.iterdir()} == {*FILES, "hashes.json"} - {"exit-2.onnx", "static.npz"}


def test_exits_share_their_weights(folders: dict[str, Path], tmp_path: Path) -> None:
    """Another exit costs its head only, and no graph holds weights itself."""
    weights, tokenizer = trunk(random_weights(), SHAPE), folders["int8"] / "tokenizer.json"
    for name, depths in (("one", [2]), ("two", [1, 2])):
        export.write_folder(tmp_path / name, weights, SHAPE, depths, tokenizer, name)
    sizes = {name: (tmp_path / name / "weights.bin").stat().st_size for name in ("one", "two")}
    assert sizes["one"] == sizes["two"] > 20_000
    graph = onnx.load(str(tmp_path / "two" / "exit-2.onnx"), load_external_data=False).graph
    assert max(len(tensor.raw_data) for tensor in graph.initializer) < 1_024


def test_a_sentence_transformers_folder_becomes_a_model_of_one_exit(
    folders: dict[str, Path], tmp_path: Path, texts: list[np.ndarray]
) -> None:
    from safetensors.numpy import save_file

    source = tmp_path / "source"
    source.mkdir()
    save_file(random_weights(), source / "model.safetensors")
    shutil.copy(folders["int8"].parent / "tokenizer.json", source)
    config = {
        "num_hidden_layers": 2,
        "hidden_size": 32,
        "num_attention_heads": 4,
        "max_position_embeddings": 40,
        "layer_norm_eps": 1e-12,
        "vocab_size": len(WORDS),
    }
    (source / "config.json").write_text(json.dumps(config))
    export.export_base(source, tmp_path / "target", "base", quantised=False)
    encoder = OnnxEncoder.load(tmp_path / "target", threads=1)
    assert (encoder.name, encoder.depths, encoder.window, encoder.dimension) == ("base", (2,), 38, 32)
    wanted = [forward(random_weights(), {}, [2, *ids.tolist(), 3], 2) for ids in texts]
    np.testing.assert_allclose(encoder.encode(texts, 2), wanted, atol=3e-6)


def test_fingerprint_tells_models_apart(folders: dict[str, Path], tiny: OnnxEncoder, tmp_path: Path) -> None:
    assert len({OnnxEncoder.load(folder).fingerprint for folder in folders.values()}) == len(folders)
    assert OnnxEncoder.load(folders["int8"]).fingerprint == tiny.fingerprint
    scored = write_model(tmp_path / "scored", folders["int8"] / "tokenizer.json", block_scorer=[0.5] * 32)
    assert OnnxEncoder.load(scored).fingerprint != tiny.fingerprint


def test_an_index_goes_from_exit_to_exit_and_refuses_another_model(
    folders: dict[str, Path], tiny: OnnxEncoder, tmp_path: Path, quick: Any
) -> None:
    code = tmp_path / "code"
    code.mkdir()
    for number in range(8):
        (code / f"list{number}.py").write_text(
            f"def sort_{number}(a):\n    return sort(a)\n" + "    a(b)\n" * 30 * number
        )
    built, source = {}, [quick.folder_source(code)]
    for depth in DEPTHS:
        built[depth] = tmp_path / f"at{depth}"
        quick.update(built[depth], source, tiny, depth=depth)
        assert set(Index.open(built[depth]).store.statistics().languages) == {"python"}
        if depth:
            deepen(built[0], quick.settings(built[0], depth), tiny)
        with Index.open(built[0]).view() as mine, Index.open(built[depth]).view() as wanted:
            assert mine.manifest.depths == wanted.manifest.depths == {depth: 8}
            keys = mine.catalogue.keys
            np.testing.assert_array_equal(mine.vectors.vectors(keys), wanted.vectors.vectors(keys))
            np.testing.assert_allclose(np.linalg.norm(mine.vectors.vectors(keys), axis=1), 1, atol=2e-3)
    other = OnnxEncoder.load(folders["other"], threads=1)
    with pytest.raises(IndexIncompatible, match="another model"):
        deepen(built[0], quick.settings(built[0]), other)
    with pytest.raises(IndexIncompatible, match="another model"):
        quick.update(built[0], source, other)


def test_sums_of_two_products_fit_sixteen_bits() -> None:
    weight = np.random.default_rng(1).standard_normal((40, 32)).astype(np.float32)
    weight[0], weight[1, :2], weight[2] = 1, 3, 0
    whole, scales = export.quantise(weight)
    pairs = whole.astype(np.int64).reshape(40, -1, 2)
    most = np.maximum(np.maximum(pairs, 0).sum(axis=2), np.maximum(-pairs, 0).sum(axis=2)).max()
    assert most * 255 < 2**15
    np.testing.assert_allclose(whole * scales[:, None], weight, atol=float(scales.max()) * 0.51)


@pytest.mark.slow
def test_shipped_model_is_whole_and_does_not_depend_on_the_batch() -> None:
    encoder: Encoder = OnnxEncoder.load(threads=2)
    config = json.loads((default_model_folder() / "config.json").read_text())
    texts = [
        Path(__file__).read_text(),
        "how to sort a list",
        "",
        "def add(a, b):\n    return a + b",
        "sort a list",
    ]
    ids = [tokens.ids[: encoder.window] for tokens in encoder.tokenise(texts)]
    assert encoder.depths == tuple(config["depths"])
    assert encoder.depths[-1] == 6
    for depth in encoder.depths:
        together = encoder.encode(ids * 20, depth)
        alone = np.concatenate([encoder.encode([row], depth) for row in ids])
        np.testing.assert_allclose(together, np.tile(alone, (20, 1)), atol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


@pytest.mark.slow
def test_shipped_model_knows_what_code_does() -> None:
    encoder = OnnxEncoder.load(threads=2)
    codes = ["def total(xs):\n    return sum(xs)", "def read(path):\n    return open(path).read()"]
    query = embed_text(encoder, "read the text of a file", 6)
    assert np.argmax([embed_text(encoder, code, 6) @ query for code in codes]) == 1
