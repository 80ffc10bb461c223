"""A folder says which encoder it is for; what is no model, and what lacks an extra or trust, is said with what to do."""

import json
import shutil

import pytest

from cli.main import run
from indexer.encoder import factory
from indexer.encoder.factory import Kind, identify, kind_of, open_encoder
from indexer.encoder.onnx import OnnxEncoder, default_model_folder
from indexer.encoder.pretrained import loading
from indexer.encoder.pretrained.folder import exit_layers, fingerprint, named, refuse_pickles
from indexer.errors import ModelDamaged, UsageError
from indexer.index import load_encoder
from indexer.settings import Settings


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model").mkdir()
    return tmp_path / "model"


def write(folder, **files):
    for name, content in files.items():
        (folder / f"{name}.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def test_a_name_of_the_hub_is_no_folder_and_nothing_is_fetched():
    with pytest.raises(
        UsageError, match=r"no model folder .*all-MiniLM-L6-v2; .*no model over the network.*--local-dir"
    ):
        kind_of(factory.Path("sentence-transformers/all-MiniLM-L6-v2"))


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, r"holds no model"),
        ({"config": {"model_type": "bert", "num_hidden_layers": 6}}, r"no modules\.json.*SentenceTransformer\.save"),
    ],
)
def test_a_folder_without_a_model_is_wrong_use(folder, files, said):
    with pytest.raises(UsageError, match=said):
        open_encoder(write(folder, **files))


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"config": "{"}, r"config\.json cannot be read"),
        ({"config": "[]"}, r"config\.json does not describe a model"),
        ({"config": {"depths": [0, 2]}}, r"hashes\.json; install Fathom again"),
    ],
)
def test_a_configuration_that_cannot_be_read_is_damage(folder, files, said):
    with pytest.raises(ModelDamaged, match=said):
        open_encoder(write(folder, **files))


def test_what_a_folder_holds_decides(folder):
    assert kind_of(default_model_folder()) is Kind.OWN
    assert kind_of(write(folder, modules=[])) is Kind.SENTENCE
    (folder / "modules.json").unlink()
    assert kind_of(write(folder, config={"num_hidden_layers": 36, "exits": [4, 9, 18, 27, 36]})) is Kind.MODULAR


@pytest.mark.parametrize("listed", [[4, 9, 18], [36], [9, 4, 36], [4, 4, 36], [0, 36], ["4", 36], [True, 36], 36, None])
def test_a_list_that_is_not_of_layers_gives_no_exits(listed):
    assert exit_layers({"num_hidden_layers": 36, "layers": listed}) is None


def test_the_shipped_model_is_the_default_and_is_identified_unread():
    encoder = open_encoder(threads=1)
    assert isinstance(encoder, OnnxEncoder)
    assert identify() == identify(default_model_folder()) == (encoder.name, encoder.fingerprint)
    assert (encoder.query_prompt, encoder.document_prompt, encoder.shortage) == ("", "", "")


def test_a_missing_extra_is_said_with_what_installs_it(folder, monkeypatch):
    monkeypatch.setattr(loading, "_NEEDED", ("fathom_no_such_package",))
    for asked in (open_encoder, identify):
        with pytest.raises(UsageError, match=r"extra `models`.*pip install 'fathom-search\[models\]'"):
            asked(write(folder, modules=[]))


def test_trust_is_for_the_model_that_is_named(folder, tmp_path):
    with pytest.raises(UsageError, match="is trusted, and the model is the shipped one"):
        load_encoder(Settings(trust_remote_code=folder))
    with pytest.raises(UsageError, match=f"{tmp_path} is trusted, and the model is {folder}"):
        load_encoder(Settings(model=folder, trust_remote_code=tmp_path))


@pytest.mark.parametrize(
    "arguments",
    [
        ["index", "."],
        ["search", "read"],
        ["similar", "a.py:1"],
        ["deepen"],
        ["serve"],
        ["mcp"],
        ["batch", "-"],
        ["eval", "."],
        ["check"],
        ["remove", "a"],
    ],
)
def test_trust_without_a_model_is_wrong_use(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FATHOM_INDEX", str(tmp_path / "index"))
    if arguments[0] in {"mcp", "eval"}:
        pytest.importorskip({"mcp": "mcp", "eval": "ir_measures"}[arguments[0]], reason="an extra is not installed")
    assert run([*arguments, "--trust-remote-code"]) == 2
    assert "--trust-remote-code goes with --model" in capsys.readouterr().err


def test_weights_that_are_a_pickle_only_are_refused(folder):
    (folder / "2_Dense").mkdir()
    (folder / "2_Dense" / "pytorch_model.bin").write_bytes(b"\x80")
    with pytest.raises(UsageError, match=r"2_Dense/pytorch_model\.bin is a pickle"):
        refuse_pickles(folder)
    (folder / "2_Dense" / "model.safetensors").write_bytes(b"")
    refuse_pickles(folder)


def test_a_fingerprint_is_of_what_makes_vectors(folder, tmp_path):
    before = fingerprint(write(folder, config={"a": 1}))
    (folder / "README.md").write_text("read me")
    copy = shutil.copytree(folder, tmp_path / "another name")
    assert fingerprint(folder) == fingerprint(copy) == before
    write(copy, config={"a": 2})
    assert fingerprint(copy) != before
    (folder / "config.json").rename(folder / "other.json")
    assert fingerprint(folder) != before


def test_a_name_is_the_folders_or_what_the_hub_calls_it(tmp_path):
    cached = tmp_path / "models--owner--some-model" / "snapshots" / "0a1b"
    cached.mkdir(parents=True)
    assert named(cached) == "owner/some-model"
    assert named(tmp_path / "mine") == "mine"
