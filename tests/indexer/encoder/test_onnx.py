"""The ONNX encoder against an independent numpy forward pass, and against damage."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from indexer.encoder.interface import Encoder
from indexer.encoder.onnx import OnnxEncoder, default_model_folder
from indexer.encoder.units import embed_text
from indexer.errors import ModelDamaged, UsageError

onnx = pytest.importorskip("onnx", reason="the extra `export` is not installed")
export = pytest.importorskip("indexer.training.export")

SHAPE = export.Shape(layers=2, hidden=32, heads=4, positions=40, epsilon=1e-12)
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "def", "return", "sort", "list", "(", ")", ":", "a", "b", "##s"]


def random_weights() -> dict[str, np.ndarray]:
    random = np.random.default_rng(7)

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


def forward(weights: dict[str, np.ndarray], ids: list[int]) -> np.ndarray:
    """BERT as its paper says it, in numpy, one text at a time."""

    def linear(state: np.ndarray, name: str) -> np.ndarray:
        return state @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(state: np.ndarray, name: str) -> np.ndarray:
        centred = state - state.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
        return scaled * weights[f"{name}.LayerNorm.weight"] + weights[f"{name}.LayerNorm.bias"]

    places = weights["embeddings.position_embeddings.weight"][: len(ids)]
    words = weights["embeddings.word_embeddings.weight"][ids]
    state = norm(words + places + weights["embeddings.token_type_embeddings.weight"][0], "embeddings")
    for layer in range(2):
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
    mean = state.mean(axis=0)
    return mean / np.linalg.norm(mean)


def write_tokenizer(path: Path) -> None:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    vocabulary = {word: number for number, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.enable_truncation(4)
    tokenizer.save(str(path))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("models")
    write_tokenizer(base / "tokenizer.json")
    for name, quantised in (("float", False), ("int8", True)):
        model = export.build(random_weights(), SHAPE, quantised=quantised)
        export.write_folder(base / name, model, SHAPE, base / "tokenizer.json", f"tiny-{name}")
    return {name: base / name for name in ("float", "int8")}


@pytest.fixture(scope="module")
def tiny(folders: dict[str, Path]) -> OnnxEncoder:
    return OnnxEncoder.load(folders["int8"], threads=1)


@pytest.fixture
def texts() -> list[np.ndarray]:
    random = np.random.default_rng(3)
    return [random.integers(4, len(WORDS), size=size, dtype=np.int32) for size in [5, 0, 1, 38, 5, 12, 5, 30, 1]]


@pytest.mark.parametrize("depth", [0, 1, -1, 6])
def test_unknown_depth_lists_those_there_are(tiny: OnnxEncoder, depth: int) -> None:
    with pytest.raises(UsageError, match="it has 2"):
        tiny.encode([np.array([4], np.int32)], depth)


def test_block_beyond_the_window_is_refused(tiny: OnnxEncoder) -> None:
    with pytest.raises(UsageError, match="39 tokens"):
        tiny.encode([np.full(39, 4, np.int32)], 2)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "config.json"])
def test_damaged_file_is_named(folders: dict[str, Path], tmp_path: Path, name: str) -> None:
    copy = shutil.copytree(folders["int8"], tmp_path / "model")
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(ModelDamaged, match=name):
        OnnxEncoder.load(copy)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "config.json", "hashes.json"])
def test_missing_file_is_named(folders: dict[str, Path], tmp_path: Path, name: str) -> None:
    copy = shutil.copytree(folders["int8"], tmp_path / "model")
    (copy / name).unlink()
    with pytest.raises(ModelDamaged, match=name):
        OnnxEncoder.load(copy)


def test_file_of_another_model_is_named(folders: dict[str, Path], tmp_path: Path) -> None:
    copy = shutil.copytree(folders["int8"], tmp_path / "model")
    shutil.copy(folders["float"] / "model.onnx", copy)
    with pytest.raises(ModelDamaged, match=r"model\.onnx"):
        OnnxEncoder.load(copy)


@pytest.mark.parametrize("hashes", ["[]", "{}", "null", "not json", '{"model.onnx": 3}'])
def test_unusable_hashes_are_damage(folders: dict[str, Path], tmp_path: Path, hashes: str) -> None:
    copy = shutil.copytree(folders["int8"], tmp_path / "model")
    (copy / "hashes.json").write_text(hashes)
    with pytest.raises(ModelDamaged):
        OnnxEncoder.load(copy)


def test_missing_folder_is_damage(tmp_path: Path) -> None:
    with pytest.raises(ModelDamaged, match="nowhere"):
        OnnxEncoder.load(tmp_path / "nowhere")


def test_float_graph_equals_the_numpy_forward_pass(folders: dict[str, Path], texts: list[np.ndarray]) -> None:
    vectors = OnnxEncoder.load(folders["float"], threads=1).encode(texts, 2)
    wanted = [forward(random_weights(), [2, *ids.tolist(), 3]) for ids in texts]
    np.testing.assert_allclose(vectors, wanted, atol=2e-6)


def test_int8_is_close_to_float(tiny: OnnxEncoder, texts: list[np.ndarray]) -> None:
    wanted = [forward(random_weights(), [2, *ids.tolist(), 3]) for ids in texts]
    assert (tiny.encode(texts, 2) * np.array(wanted)).sum(axis=1).min() > 0.998


def test_vectors_do_not_depend_on_the_batch_or_the_order(tiny: OnnxEncoder, texts: list[np.ndarray]) -> None:
    together = tiny.encode(texts, 2)
    alone = np.concatenate([tiny.encode([ids], 2) for ids in texts])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_allclose(tiny.encode(texts[::-1], 2)[::-1], together, atol=1e-6)


def test_many_texts_of_one_length_pass_in_several_batches(tiny: OnnxEncoder) -> None:
    random = np.random.default_rng(5)
    texts = list(random.integers(4, len(WORDS), size=(300, 20), dtype=np.int32))
    together = tiny.encode(texts, 2)
    np.testing.assert_allclose(together[[0, 150, 299]], tiny.encode([texts[0], texts[150], texts[299]], 2), atol=1e-6)


def test_vectors_have_norm_one_and_no_texts_give_none(tiny: OnnxEncoder, texts: list[np.ndarray]) -> None:
    np.testing.assert_allclose(np.linalg.norm(tiny.encode(texts, 2), axis=1), 1, atol=1e-5)
    assert tiny.encode([], 2).shape == (0, 32)


def test_tokens_are_not_truncated_and_know_their_characters(tiny: OnnxEncoder) -> None:
    text = "sort  lists\n" * 50
    tokens, empty = tiny.tokenise([text, ""])
    assert [WORDS[token] for token in tokens.ids[:3]] == ["sort", "list", "##s"]
    assert tokens.starts[:4].tolist() == [0, 6, 10, 12]
    assert len(tokens.ids) == 150
    assert len(empty.ids) == len(empty.starts) == 0
    assert tokens.ids.dtype == tokens.starts.dtype == np.int32


def test_long_text_is_the_mean_of_its_blocks(tiny: OnnxEncoder) -> None:
    vector = embed_text(tiny, "sort lists\n" * 40, 2)
    assert vector.shape == (32,)
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_same_weights_give_the_same_bytes(folders: dict[str, Path], tmp_path: Path) -> None:
    model = export.build(random_weights(), SHAPE)
    export.write_folder(tmp_path / "again", model, SHAPE, folders["int8"].parent / "tokenizer.json", "tiny-int8")
    assert (tmp_path / "again" / "hashes.json").read_text() == (folders["int8"] / "hashes.json").read_text()


def test_fingerprint_tells_models_apart(folders: dict[str, Path], tiny: OnnxEncoder) -> None:
    assert OnnxEncoder.load(folders["float"]).fingerprint != tiny.fingerprint
    assert OnnxEncoder.load(folders["int8"]).fingerprint == tiny.fingerprint


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
    together = encoder.encode(ids * 20, 6)
    alone = np.concatenate([encoder.encode([row], 6) for row in ids])
    assert encoder.depths == tuple(config["depths"]) == (6,)
    np.testing.assert_allclose(together, np.tile(alone, (20, 1)), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


@pytest.mark.slow
def test_shipped_model_knows_what_code_does() -> None:
    encoder = OnnxEncoder.load(threads=2)
    codes = ["def total(xs):\n    return sum(xs)", "def read(path):\n    return open(path).read()"]
    query = embed_text(encoder, "read the text of a file", 6)
    assert np.argmax([embed_text(encoder, code, 6) @ query for code in codes]) == 1
