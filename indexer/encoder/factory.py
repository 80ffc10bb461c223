"""The encoder of a model folder, chosen here and nowhere else, by what the folder holds.

Libraries that only some models need are imported for those alone.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from indexer.encoder.files import HASHES, read_config, verify
from indexer.encoder.interface import Encoder
from indexer.encoder.onnx import OnnxEncoder, default_model_folder
from indexer.encoder.pretrained.folder import CONFIG, MODULES, exit_layers, fingerprint, named, read_json
from indexer.encoder.pretrained.loading import require
from indexer.errors import ModelDamaged, UsageError


class Kind(Enum):
    """What a model folder holds: our own export, a Sentence Transformers model, a model of several exits."""

    OWN = "own"
    SENTENCE = "sentence"
    MODULAR = "modular"


def open_encoder(
    folder: Path | None = None, *, trusted: bool = False, threads: int | None = None, device: str = "cpu"
) -> Encoder:
    """Load the model in a folder, or the shipped one; `trusted` lets code that comes with it run.

    `device` is what our own export runs on, cpu or cuda; other models take a GPU where there is one. Raises UsageError
    for a folder without a model, for one that needs an extra or a trust that is missing, and for one that cannot be
    run; ModelDamaged for files that are not what they were, or do not load.
    """
    kind = Kind.OWN if folder is None else kind_of(folder)
    if kind is Kind.OWN and device != "cpu":
        from indexer.encoder.torch import TorchEncoder

        return TorchEncoder.load(folder, device)
    if folder is None or kind is Kind.OWN:
        return OnnxEncoder.load(folder, threads)
    if kind is Kind.MODULAR:
        from indexer.encoder.pretrained.modular import ModularEncoder

        return ModularEncoder(folder, trusted=trusted, threads=threads)
    from indexer.encoder.pretrained.sentence import SentenceEncoder

    return SentenceEncoder(folder, trusted=trusted, threads=threads)


def identify(folder: Path | None = None) -> tuple[str, str]:
    """Return a model's name and fingerprint without loading it; raise as `open_encoder` for what is no model."""
    if folder is None or kind_of(folder) is Kind.OWN:
        folder = folder or default_model_folder()
        return read_config(folder).name, verify(folder)
    require()
    return named(folder), fingerprint(folder)


def kind_of(folder: Path) -> Kind:
    """Tell what a folder holds; raise UsageError where that is no model, ModelDamaged where it is not readable."""
    if not folder.is_dir():
        raise UsageError(
            f"there is no model folder {folder}; Fathom loads no model over the network: fetch one first "
            f"(`hf download {folder} --local-dir DIR`, say), and name its folder with --model"
        )
    if (folder / HASHES).is_file():
        return Kind.OWN
    if (folder / MODULES).is_file():
        return Kind.SENTENCE
    if (folder / CONFIG).is_file():
        return _without_modules(folder)
    raise UsageError(f"the folder {folder} holds no model: neither Fathom's ({HASHES}) nor a {MODULES}")


def _without_modules(folder: Path) -> Kind:
    """Tell what a configuration describes that no list of modules goes with."""
    config = read_json(folder / CONFIG)
    if not isinstance(config, dict):
        raise ModelDamaged(f"the model file {folder / CONFIG} does not describe a model; fetch it again")
    if exit_layers(config) is not None:
        return Kind.MODULAR
    if "depths" in config:
        raise ModelDamaged(f"the model folder {folder} has no readable {HASHES}; install Fathom again")
    raise UsageError(
        f"the folder {folder} has no {MODULES}: it does not say how its tokens become one vector; "
        "save it with Sentence Transformers (SentenceTransformer.save)"
    )
