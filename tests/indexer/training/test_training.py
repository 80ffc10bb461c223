"""Training a tiny random model: losses fall, exits share a space, a run goes on, and what ships is what was trained."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed: pip install 'fathom-search[train]'")
pytest.importorskip("onnx", reason="the extra `train` is not installed")

from indexer.encoder.files import read_config  # noqa: E402
from indexer.encoder.onnx import OnnxEncoder  # noqa: E402
from indexer.encoder.static import read_table  # noqa: E402
from indexer.errors import EnvironmentFailed, ModelDamaged, UsageError  # noqa: E402
from indexer.training import loop  # noqa: E402
from indexer.training.blocks import fit_scorer  # noqa: E402
from indexer.training.export import export_base, write_folder  # noqa: E402
from indexer.training.losses import Seen, losses  # noqa: E402
from indexer.training.model import Batch, MultiExit, from_base  # noqa: E402
from indexer.training.pairs import load_pairs, prepare  # noqa: E402
from indexer.training.recipe import read_recipe  # noqa: E402
from indexer.training.shape import read_shape  # noqa: E402
from indexer.training.shipping import refit, ship  # noqa: E402
from indexer.training.static import first_table, fit_table  # noqa: E402
from tests.indexer.training.tiny_base import HIDDEN, RECIPE, WORDS, write_base, write_pairs  # noqa: E402

torch.set_num_threads(1)
VOCABULARY = {word: number for number, word in enumerate(WORDS)}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    base = write_base(folder / "base")
    (folder / "recipe.toml").write_text(RECIPE)
    recipe = read_recipe(folder / "recipe.toml")
    export_base(base, folder / "base-onnx", "base", quantised=False)
    files = [write_pairs(folder / "pairs.jsonl")]
    encoder = OnnxEncoder.load(folder / "base-onnx", 1)
    with ThreadPoolExecutor(1) as pool:
        prepare(files, folder / "prepared", encoder, query_tokens=12, code_tokens=24, pool=pool)
    return folder, base, recipe, load_pairs(folder / "prepared")


def _texts(count: int = 6) -> list[np.ndarray]:
    random = np.random.default_rng(5)
    return [random.integers(11, len(WORDS), size=length).astype(np.int32) for length in range(3, 3 + count)]


def test_an_untrained_model_is_its_base(made):
    folder, base, recipe, _ = made
    run = loop.Run(folder / "untrained", from_base(base, [1, 3]), recipe, loop.Special(2, 3))
    run.model.eval()
    with torch.no_grad():
        ours = run.encode(_texts())[3].numpy()
    theirs = OnnxEncoder.load(folder / "base-onnx", 1).encode(_texts(), 3)
    np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_padding_changes_no_vector(made):
    _, base, _recipe, _ = made
    model = from_base(base, [1, 3]).eval()
    ids = torch.tensor([[2, 12, 13, 3]])
    wide = torch.tensor([[2, 12, 13, 3, 0, 0, 0]])
    with torch.no_grad():
        one = model(Batch(ids, torch.ones_like(ids, dtype=torch.bool)))
        two = model(Batch(wide, wide != 0))
    for depth in (1, 3):
        torch.testing.assert_close(one[depth], two[depth], atol=1e-5, rtol=0)
        assert abs(float(one[depth].norm()) - 1) < 1e-5


def test_exits_that_the_trunk_has_not_are_refused(made):
    _, base, _, _ = made
    for depths in ([1], [0, 3], [3, 1], [1, 1, 3]):
        with pytest.raises(ValueError, match="exits"):
            from_base(base, depths)


def test_training_lowers_the_loss_and_goes_on_where_it_was(made, tmp_path):
    _, base, recipe, pairs = made
    longer = recipe.model_copy(update={"run": recipe.run.model_copy(update={"steps": 60})})
    assert loop.fit(tmp_path / "run", base, longer, pairs) == 60
    lines = [json.loads(line) for line in (tmp_path / "run" / loop.LOG).read_text().splitlines()]
    first, last = (sum(v for k, v in line.items() if k.startswith("contrast")) for line in (lines[0], lines[-1]))
    assert last < 0.8 * first
    assert loop.fit(tmp_path / "run", base, longer, pairs) == 60, "a finished run is left as it is"


def test_a_run_begins_between_another_one_and_the_base(made, tmp_path):
    _, base, recipe, pairs = made
    one = loop.Run(tmp_path / "one", from_base(base, recipe.model.depths), recipe, loop.Special(2, 3), "cpu")
    with torch.no_grad():
        for parameter in one.model.parameters():
            parameter.add_(1.0)
    one._save(loop.CHECKPOINT)
    loop.fit(tmp_path / "two", base, recipe, pairs, start=tmp_path / "one" / loop.CHECKPOINT, share=0.25, minutes=0.0)
    two = loop.read_checkpoint(tmp_path / "two" / loop.CHECKPOINT)["model"]
    start, plain = one.model.state_dict(), from_base(base, recipe.model.depths).state_dict()
    inner = f"exits.{recipe.model.depths[0]}.head.bias"
    torch.testing.assert_close(two[inner], start[inner])
    torch.testing.assert_close(two["layers.0.up.bias"], plain["layers.0.up.bias"] + 0.25)


def test_a_run_begins_with_a_shipped_model(made, tmp_path):
    _, base, recipe, pairs = made
    torch.manual_seed(3)
    model = from_base(base, recipe.model.depths)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    depths, tokenizer = recipe.model.depths, base / "tokenizer.json"
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    for name, quantised, near in (("float", False, 1e-6), ("int8", True, 0.05)):
        write_folder(tmp_path / name, weights, model.shape, depths, tokenizer, name, quantised=quantised)
        loop.fit(tmp_path / f"run-{name}", base, recipe, pairs, start=tmp_path / name, minutes=0.0)
        begun = loop.read_checkpoint(tmp_path / f"run-{name}" / loop.CHECKPOINT)["model"]
        for parameter, value in model.state_dict().items():
            if not parameter.endswith("score.bias"):
                torch.testing.assert_close(begun[parameter], value, atol=near, rtol=0, msg=f"{name}: {parameter}")


def test_what_is_no_model_is_not_begun_with(made, tmp_path):
    _, base, recipe, pairs = made
    (tmp_path / "empty").mkdir()
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for depth in recipe.model.depths:
        (damaged / f"exit-{depth}.onnx").write_bytes(b"no graph")
    for folder in (tmp_path / "empty", damaged):
        with pytest.raises(UsageError, match=folder.name):
            loop.fit(tmp_path / "run", base, recipe, pairs, start=folder, minutes=0.0)


def test_a_stopped_run_ends_as_one_that_was_not(made, tmp_path):
    _, base, recipe, pairs = made

    def run(folder):
        return loop.Run(folder, from_base(base, recipe.model.depths), recipe, loop.Special(2, 3), "cpu")

    torch.manual_seed(1)
    whole = run(tmp_path / "whole")
    whole.train(pairs, VOCABULARY)
    part = run(tmp_path / "part")
    taken = part._one

    def stopping(batch, pairs):
        if part.step == 5:
            raise KeyboardInterrupt
        return taken(batch, pairs)

    part._one = stopping
    with pytest.raises(KeyboardInterrupt):
        part.train(pairs, VOCABULARY)
    again = run(tmp_path / "part")
    assert again.step == 4, "the last checkpoint"
    again.train(pairs, VOCABULARY)
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(again.model.state_dict()[name], value, atol=1e-5, rtol=1e-4)


def test_a_longer_run_goes_on_from_before_the_slowing_down(made, tmp_path):
    _, base, recipe, pairs = made
    loop.fit(tmp_path / "run", base, recipe, pairs)
    longer = recipe.model_copy(update={"run": recipe.run.model_copy(update={"steps": 30})})
    run = loop.Run(tmp_path / "run", from_base(base, recipe.model.depths), longer, loop.Special(2, 3))
    assert run.step == loop.hold_step(recipe.run) == 6


def test_another_recipe_and_damaged_checkpoints_are_refused(made, tmp_path):
    _, base, recipe, pairs = made
    loop.fit(tmp_path / "run", base, recipe, pairs)
    other = recipe.model_copy(update={"loss": recipe.loss.model_copy(update={"scale": 10.0})})
    with pytest.raises(UsageError, match="another recipe"):
        loop.fit(tmp_path / "run", base, other, pairs)
    path = tmp_path / "run" / loop.CHECKPOINT
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UsageError, match=r"checkpoint\.pt"):
        loop.fit(tmp_path / "run", base, recipe, pairs)
    torch.save({"model": {}}, path)
    with pytest.raises(UsageError, match="not a checkpoint"):
        loop.fit(tmp_path / "run", base, recipe, pairs)


def test_a_full_disk_keeps_the_checkpoint_before(made, tmp_path, monkeypatch):
    _, base, recipe, pairs = made
    loop.fit(tmp_path / "run", base, recipe, pairs)
    before = (tmp_path / "run" / loop.CHECKPOINT).read_bytes()
    longer = recipe.model_copy(update={"run": recipe.run.model_copy(update={"steps": 40})})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(EnvironmentFailed, match="No space left"):
        loop.fit(tmp_path / "run", base, longer, pairs)
    assert (tmp_path / "run" / loop.CHECKPOINT).read_bytes() == before
    assert not list((tmp_path / "run").glob("writing-*"))


def test_a_loss_that_is_no_number_stops_the_run(made, tmp_path):
    _, base, recipe, pairs = made
    model = from_base(base, recipe.model.depths)
    with torch.no_grad():
        model.layers[0].up.weight.fill_(float("nan"))
    run = loop.Run(tmp_path / "run", model, recipe, loop.Special(2, 3))
    with pytest.raises(EnvironmentFailed, match="step 0"):
        run.train(pairs, VOCABULARY)


def test_pairs_that_ask_the_same_are_no_negatives(made):
    *_, recipe, _ = made
    unit = torch.nn.functional.normalize(torch.randn(4, 8, generator=torch.Generator().manual_seed(1)), dim=1)
    vectors = {1: unit, 3: unit}
    loose = recipe.loss.model_copy(update={"repository": 0.0, "same": 0.99})
    twice = torch.cat([unit[:1], unit[:1], unit[2:]])

    def contrast(frozen, answered=False):
        seen = Seen(
            {1: twice, 3: twice},
            {1: twice, 3: twice},
            frozen,
            unit[3:],
            torch.tensor([[answered]] + [[False]] * 3),
            unit[:0],
            torch.arange(0),
            torch.arange(4),
        )
        return float(losses(seen, loose)["contrast 3"])

    assert contrast(twice) < contrast(unit)
    assert contrast(unit, answered=True) < contrast(unit)
    nothing = torch.zeros(4, 0, dtype=torch.bool)
    seen = Seen(vectors, vectors, unit, unit[:0], nothing, unit[:2], torch.tensor([0, 1]), torch.tensor([0, 0, 1, 1]))
    terms = losses(seen, recipe.loss)
    assert terms.keys() >= {"contrast 1", "vectors 1", "similarities 1", "contrast 3", "base", "anchor", "repository"}
    assert abs(float(terms["base"])) < 1e-6
    assert abs(float(terms["vectors 1"])) < 1e-6


def test_the_token_table_learns_which_code_a_question_is_for(made):
    *_, recipe, pairs = made
    random = np.random.default_rng(1)
    start = first_table(random.standard_normal((len(WORDS), 32)).astype(np.float32), pairs)
    asked = random.standard_normal((60, 32))
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    queries = asked[np.arange(len(pairs)) % 60].astype(np.float16)
    longer = recipe.static.model_copy(update={"epochs": 40, "rate": 0.05})
    table = fit_table(start, pairs, queries, longer, recipe.loss.model_copy(update={"same": 0.99}))

    def right(rows):
        texts = recipe.static.pooling().weigh([pairs.codes[row].astype(np.int32) for row in range(60)])
        ends = texts.starts[1:]
        whole = [slice(*each) for each in zip(texts.starts[:-1], ends, strict=True)]
        vectors = np.stack([texts.weights[each] @ rows[texts.tokens[each]] for each in whole])
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.mean(np.argmax(asked @ vectors.T, axis=1) == np.arange(60))

    assert right(start) < 0.2
    assert right(table) > 0.6


def test_the_scorer_attends_to_the_block_that_answers():
    random = np.random.default_rng(2)
    telling = np.eye(16, dtype=np.float32)[0]

    def unit(rows):
        return rows / np.linalg.norm(rows, axis=-1, keepdims=True)

    queries = unit(random.standard_normal((200, 16))).astype(np.float32)
    blocks = [
        unit(np.stack([query + telling, random.standard_normal(16) - telling])).astype(np.float32) for query in queries
    ]
    scorer = fit_scorer(blocks, queries)
    assert np.mean([pair[0] @ scorer > pair[1] @ scorer for pair in blocks]) > 0.95


def test_what_ships_is_what_was_trained(made, tmp_path):
    _folder, base, recipe, pairs = made
    loop.fit(tmp_path / "run", base, recipe, pairs)
    long = tmp_path / "long.jsonl"
    code = "def w1(a):\n" + "    return w2(w3)\n" * 90
    rows = [{"query": f"read w{n}", "code": code.replace("w2", f"w{n}"), "language": "python"} for n in range(20)]
    long.write_text("".join(json.dumps(row) + "\n" for row in rows))
    ship(tmp_path / "run", base, tmp_path / "int8", pairs, [long], whole=tmp_path / "float")
    encoder = OnnxEncoder.load(tmp_path / "float", 1)
    assert encoder.depths == (0, 1, 3)
    assert encoder.block_scorer.shape == (32,)
    run = loop.Run(tmp_path / "run", from_base(base, [1, 3]), recipe, loop.Special(2, 3))
    run.model.eval()
    with torch.no_grad():
        trained = run.encode(_texts())
    for depth in (1, 3):
        joined = trained[depth].numpy() + recipe.static.shares[depth] * encoder.encode(_texts(), 0)
        joined /= np.linalg.norm(joined, axis=1, keepdims=True)
        np.testing.assert_allclose(encoder.encode(_texts(), depth), joined, atol=5e-5)
    small = OnnxEncoder.load(tmp_path / "int8", 1)
    for depth in (1, 3):
        cosines = (small.encode(_texts(), depth) * encoder.encode(_texts(), depth)).sum(axis=1)
        assert cosines.min() > 0.98
    (tmp_path / "int8" / "exit-1.onnx").write_bytes((tmp_path / "int8" / "exit-3.onnx").read_bytes())
    with pytest.raises(ModelDamaged, match=r"exit-1\.onnx"):
        OnnxEncoder.load(tmp_path / "int8", 1)


def test_exit_0_is_fitted_anew_and_the_others_stay(made, tmp_path):
    _folder, base, recipe, _ = made
    start, target = tmp_path / "start", tmp_path / "target"
    random = np.random.default_rng(4)
    table = random.standard_normal((len(WORDS), HIDDEN)).astype(np.float32)
    weights = {name: value.numpy() for name, value in from_base(base, [1, 3]).state_dict().items()}
    shape = read_shape(json.loads((base / "config.json").read_text()))
    options = {"static": table, "static_shares": {1: 0.1, 3: 0.1}}
    write_folder(start, weights, shape, [1, 3], base / "tokenizer.json", "tiny", **options)
    encoder = OnnxEncoder.load(start, 1)
    with ThreadPoolExecutor(1) as pool:
        prepare(
            [write_pairs(tmp_path / "p.jsonl")], tmp_path / "own", encoder, query_tokens=12, code_tokens=24, pool=pool
        )
    own = load_pairs(tmp_path / "own")
    longer = recipe.static.model_copy(update={"again_epochs": 40, "again_rate": 0.05})
    refit(start, target, own, recipe.model_copy(update={"static": longer}))
    found = OnnxEncoder.load(target, 1)
    assert found.fingerprint != encoder.fingerprint
    for name in ("exit-1.onnx", "exit-3.onnx", "weights.bin", "tokenizer.json"):
        assert (target / name).read_bytes() == (start / name).read_bytes()
    assert read_config(target).static_shares == recipe.static.shares
    codes = [own.codes[row].astype(np.int32) for row in range(60)]

    def nearness(model):
        return float((model.encode(codes, 0) @ own.frozen[:60].astype(np.float32).T).diagonal().mean())

    assert nearness(found) > nearness(encoder) + 0.1
    _, pooling = read_table(target / "static.npz", HIDDEN)
    assert pooling == recipe.static.pooling()


def test_pairs_of_another_model_do_not_fit_exit_0(made, tmp_path):
    _folder, base, recipe, pairs = made
    weights = {name: 2 * value.numpy() for name, value in from_base(base, [1, 3]).state_dict().items()}
    shape = read_shape(json.loads((base / "config.json").read_text()))
    made_of = (weights, shape, [1, 3], base / "tokenizer.json", "tiny")
    write_folder(tmp_path / "none", *made_of)
    with pytest.raises(UsageError, match=r"exits \(1, 3\): none at 0"):
        refit(tmp_path / "none", tmp_path / "target", pairs, recipe)
    write_folder(tmp_path / "other", *made_of, static=np.ones((len(WORDS), HIDDEN), np.float32))
    with pytest.raises(UsageError, match="not prepared with this model"):
        refit(tmp_path / "other", tmp_path / "target", pairs, recipe)
    with pytest.raises(UsageError, match="--target"):
        refit(tmp_path / "other", tmp_path / "other", pairs, recipe)
    assert not (tmp_path / "target").exists()


def test_a_model_folder_that_lost_its_exits_is_rewritten_whole(made, tmp_path):
    _, base, _, _ = made
    model = from_base(base, [1, 3])
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    write_folder(tmp_path / "model", weights, model.shape, [1, 3], base / "tokenizer.json", "both", quantised=False)
    write_folder(tmp_path / "model", weights, model.shape, [3], base / "tokenizer.json", "deep", quantised=False)
    assert [path.name for path in (tmp_path / "model").glob("exit-*")] == ["exit-3.onnx"]
    assert isinstance(model, MultiExit)
