"""The encoder in PyTorch: near the processor's vectors, whatever shares the batch; clear errors where it cannot run."""

import subprocess
import sys

import numpy as np
import pytest

from indexer.encoder.onnx import OnnxEncoder
from indexer.encoder.torch import TorchEncoder, _batches
from indexer.errors import EnvironmentFailed, UsageError
from indexer.index import load_encoder
from indexer.settings import Settings

_TORCH = "PyTorch is not installed (extra `gpu` or `train`): pip install 'fathom-search[train]'"
_TEXTS = (
    "def total(values):\n    return sum(values)",
    "class Pool:\n    def acquire(self, timeout=None):\n        with self._lock:\n            return self._free.pop()",
    "how are connections kept alive",
    "x",
    "for (int i = 0; i < n; i++) { buffer[i] = read_byte(stream); }",
    "SELECT name, count(*) FROM files GROUP BY name ORDER BY 2 DESC",
)


@pytest.fixture(scope="module")
def on_cpu():
    """The shipped model in PyTorch on the processor, in float32."""
    pytest.importorskip("torch", reason=_TORCH).set_num_threads(1)
    return TorchEncoder.load(device="cpu")


@pytest.fixture(scope="module")
def plain():
    """The shipped model in 8 bits."""
    return OnnxEncoder.load(threads=1)


def _ids(encoder, texts=_TEXTS):
    return [tokens.ids[: encoder.window] for tokens in encoder.tokenise(texts)]


def test_batches_are_of_like_length_within_their_budget_and_hold_every_row_once():
    lengths = [int(n) for n in np.random.default_rng(5).integers(1, 250, 500)]
    batches = list(_batches(lengths, 2_048))
    assert sorted(row for rows in batches for row in rows) == list(range(500))
    assert all(len(rows) * (max(lengths[row] for row in rows) + 2) <= 2_048 for rows in batches)
    assert [lengths[row] for rows in batches for row in rows] == sorted(lengths, reverse=True)
    assert list(_batches([5_000, 3], 2_048)) == [[0], [1]]
    assert list(_batches([], 2_048)) == []


def test_without_its_packages_the_device_is_refused_with_the_command(tmp_path):
    """In a process that has no torch, whatever is installed here."""
    code = (
        "import importlib.util as u\n"
        "find = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'torch' else find(name, *rest)\n"
        "from cli.main import run\n"
        f"raise SystemExit(run(['index', '--device', 'cuda', '--index', {str(tmp_path / 'i')!r}, {str(tmp_path)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "torch is not installed" in done.stderr
    assert "pip install 'fathom-search[gpu]'" in done.stderr
    assert not (tmp_path / "i").exists()


@pytest.mark.slow
def test_without_a_gpu_that_is_said():
    torch = pytest.importorskip("torch", reason=_TORCH)
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA GPU")
    with pytest.raises(EnvironmentFailed, match="no CUDA GPU on this machine"):
        load_encoder(Settings(device="cuda"))


@pytest.mark.slow
@pytest.mark.parametrize("depth", [2, 4, 6])
def test_vectors_are_near_those_in_8_bits(on_cpu, plain, depth):
    ours, theirs = on_cpu.encode(_ids(on_cpu), depth), plain.encode(_ids(plain), depth)
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-5)
    assert np.vecdot(ours, theirs).min() >= 0.98


@pytest.mark.slow
def test_what_shares_a_batch_changes_rounding_only(on_cpu):
    ids = _ids(on_cpu)
    together = on_cpu.encode(ids, 6)
    for row, alone in enumerate(ids):
        np.testing.assert_allclose(on_cpu.encode([alone], 6)[0], together[row], atol=2e-6)


@pytest.mark.slow
def test_it_is_the_same_model_to_an_index(on_cpu, plain):
    for name in ("name", "fingerprint", "dimension", "depths", "window"):
        assert getattr(on_cpu, name) == getattr(plain, name)
    np.testing.assert_array_equal(on_cpu.block_scorer, plain.block_scorer)
    np.testing.assert_array_equal(on_cpu.encode(_ids(plain), 0), plain.encode(_ids(plain), 0))
    assert on_cpu.encode([], 6).shape == (0, on_cpu.dimension)


@pytest.mark.slow
def test_what_cannot_be_is_refused(on_cpu):
    with pytest.raises(UsageError, match="no exit at depth 3"):
        on_cpu.encode(_ids(on_cpu), 3)
    with pytest.raises(UsageError, match="the model's window"):
        on_cpu.encode([np.zeros(on_cpu.window + 1, np.int32)], 6)


@pytest.mark.slow
def test_on_a_gpu_vectors_are_near_those_in_8_bits(plain):
    torch = pytest.importorskip("torch", reason=_TORCH)
    if not torch.cuda.is_available():
        pytest.skip(
            "no CUDA GPU here; on a machine with one: pytest -m slow tests/indexer/encoder/test_torch_encoder.py"
        )
    encoder = load_encoder(Settings(device="cuda"))
    for depth in (2, 4, 6):
        cosines = np.vecdot(encoder.encode(_ids(encoder), depth), plain.encode(_ids(plain), depth))
        assert cosines.min() >= 0.97
