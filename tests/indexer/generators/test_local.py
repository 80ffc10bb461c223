"""A language model on this machine: wrong folders first, then a tiny one of random weights that writes what it may."""

import importlib.util
import json
import time
from contextlib import suppress

import pytest

from indexer.errors import EnvironmentFailed, UsageError
from indexer.generators.interface import Budget, GenerationFailed, OutOfTime, Request, Task, Unusable
from indexer.generators.local import Local

_MISSING = [name for name in ("torch", "transformers") if importlib.util.find_spec(name) is None]
needs_models = pytest.mark.skipif(bool(_MISSING), reason="the extra `models` is not installed: torch and transformers")
# The libraries warn of their own affairs.
pytestmark = pytest.mark.filterwarnings("default")

ASK = Request(Task.EXEMPLAR, "sort rows", language="python")
_WORDS = "def return sort rows in of the a b c x y print sum max list for value ( ) : . = + ,".split()  # noqa: SIM905


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of a model with random weights and a tokeniser of a few words."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    where = tmp_path_factory.mktemp("tiny-model")
    words = Tokenizer(
        models.WordLevel({word: n for n, word in enumerate(["<unk>", "<end>", *_WORDS])}, unk_token="<unk>")
    )
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>", eos_token="<end>").save_pretrained(where)
    torch.manual_seed(7)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=len(_WORDS) + 2, max_position_embeddings=2_048, eos_token_id=1, **sizes)
    LlamaForCausalLM(config).save_pretrained(where)
    return where


@pytest.mark.skipif(not _MISSING, reason="the extra `models` is installed")
def test_without_the_extra_the_command_that_installs_it_is_said(tmp_path):
    with pytest.raises(UsageError, match=r"extra `models` \(\w+ is not installed\): pip install"):
        Local(tmp_path)


@needs_models
def test_a_folder_without_a_model_is_said(tmp_path):
    for where in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UsageError, match=r"is no folder of a language model: it has no config\.json"):
            Local(where)


@needs_models
@pytest.mark.parametrize("config", ["{}", "nonsense", '{"model_type": "never-heard-of"}', '{"model_type": "llama"}'])
def test_a_model_that_cannot_be_loaded_is_said(tmp_path, config):
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(EnvironmentFailed, match="cannot be loaded"):
        Local(tmp_path).generate(ASK, Budget(60))


@needs_models
def test_code_of_a_folder_is_not_run(tmp_path):
    (tmp_path / "ran.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass M: pass\n")
    config = {"model_type": "own", "auto_map": {"AutoConfig": "ran.M", "AutoModelForCausalLM": "ran.M"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(EnvironmentFailed, match="cannot be loaded"):
        Local(tmp_path).generate(ASK, Budget(60))
    assert not (tmp_path / "ran").exists()


@needs_models
def test_texts_are_written_and_counted(folder):
    local = Local(folder)
    made = local.generate(Request(Task.EXEMPLAR, "sort rows", count=3), Budget(60, 20))
    assert 1 <= len(made.texts) <= 3
    assert set(" ".join(made.texts).split()) <= {*_WORDS, "<unk>"}
    assert made.tokens_in > 0
    assert made.tokens_in % 3 == 0
    assert 0 < made.tokens_out <= 60
    assert made.source == local.name == f"{folder.name} (prompts 2)"
    local.close()


@needs_models
def test_a_sentence_is_the_same_again(folder):
    local = Local(folder)
    ask = Request(Task.PURPOSE, "def sort ( rows )")
    assert local.generate(ask, Budget(60, 12)).texts == local.generate(ask, Budget(60, 12)).texts
    local.close()


@needs_models
def test_a_prompt_that_does_not_fit_is_said(folder):
    with pytest.raises(Unusable, match="do not fit the model's 2048"):
        Local(folder).generate(Request(Task.PURPOSE, "x " * 4_000), Budget(60))


@needs_models
def test_the_budget_s_time_ends_the_writing(folder):
    local = Local(folder)
    local.generate(ASK, Budget(60, 1_000))
    begun = time.monotonic()
    with suppress(GenerationFailed):
        assert local.generate(ASK, Budget(0.2, 1_500)).tokens_out < 1_500
    assert time.monotonic() - begun < 5
    local.close()


@needs_models
def test_a_busy_model_is_waited_for_no_longer_than_the_budget(folder):
    local = Local(folder)
    with local._lock, pytest.raises(OutOfTime, match="was busy"):
        local.generate(ASK, Budget(0.05))
