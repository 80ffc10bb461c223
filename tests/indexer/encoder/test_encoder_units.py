"""Units to blocks, keys and one vector, with the stub."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexer.encoder.aggregate import aggregate
from indexer.encoder.interface import Encoder
from indexer.encoder.units import block_key, embed_text, plan_unit
from indexer.errors import UsageError


def stub(**options: Any) -> Encoder:
    path = Path(__file__).parents[2] / "stub_encoder.py"
    spec = importlib.util.spec_from_file_location("stub_encoder", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    encoder: Encoder = module.StubEncoder(**options)
    return encoder


def test_stub_refuses_what_the_model_refuses() -> None:
    encoder = stub()
    with pytest.raises(UsageError, match="it has 0, 6"):
        encoder.encode([np.array([1], np.int32)], 3)
    with pytest.raises(UsageError, match="33 tokens"):
        encoder.encode([np.ones(33, np.int32)], 6)


@pytest.mark.parametrize("text", ["", " \n\t\n", "\ud800", "\x00"])
def test_any_text_has_a_vector_of_norm_one(text: str) -> None:
    vector = embed_text(stub(), text, 6)
    assert vector.shape == (64,)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_plan_covers_all_tokens_and_names_each_block() -> None:
    encoder = stub()
    text = "\n".join(f"name{number} = {number}" for number in range(30))
    tokens = encoder.tokenise([text])[0]
    plan = plan_unit(encoder, tokens, text, 10, (), 6)
    np.testing.assert_array_equal(np.concatenate(plan.token_ids), tokens.ids)
    assert len(plan.blocks) == len(plan.keys) == len(plan.token_ids) > 1
    assert plan.blocks[0].start_line == 10
    assert plan.blocks[-1].end_line == 39
    assert {len(key) for key in plan.keys} == {16}
    assert len(set(plan.keys)) == len(plan.keys)


def test_key_depends_on_tokens_depth_and_model_only() -> None:
    ids = np.array([1, 2, 3], np.int32)
    keys = [
        block_key("m", 6, ids),
        block_key("m", 0, ids),
        block_key("n", 6, ids),
        block_key("m", 6, ids[:2]),
    ]
    assert len(set(keys)) == 4
    assert block_key("m", 6, ids) == block_key("m", 6, ids.astype(np.int64)) == keys[0]


def test_one_block_is_its_own_vector() -> None:
    encoder = stub()
    tokens = encoder.tokenise(["def add(a, b): return a + b"])[0]
    np.testing.assert_allclose(
        embed_text(encoder, "def add(a, b): return a + b", 6), encoder.encode([tokens.ids], 6)[0], atol=1e-6
    )


def test_aggregate_is_the_normalised_mean() -> None:
    np.testing.assert_allclose(aggregate(np.eye(2, dtype=np.float32)), [0.5**0.5] * 2, atol=1e-6)


def test_opposite_blocks_still_give_a_vector() -> None:
    blocks = np.array([[1, 0], [-1, 0]], dtype=np.float32)
    assert np.linalg.norm(aggregate(blocks)) == pytest.approx(1)
