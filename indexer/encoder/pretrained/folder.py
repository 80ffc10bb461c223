"""What a folder of a pretrained model holds: its name, a fingerprint of its files, what must not be loaded.

Files are looked at, and no model is loaded.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import xxhash

from indexer.errors import ModelDamaged, UsageError

MODULES = "modules.json"
CONFIG = "config.json"
# Raised when the same files are run in another way, so that no vectors of both meet in one index.
_FORM = "1"
# What decides a model's vectors ends so; read-me files, and copies for other runtimes, do not.
_COUNTED = {".json", ".txt", ".model", ".safetensors", ".py", ".jinja", ".vocab", ".bpe"}
_CHUNK = 1 << 20


def read_json(path: Path) -> Any:
    """Return what a JSON file of a model says; raise ModelDamaged where it says nothing."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelDamaged(f"the model file {path} cannot be read ({error}); fetch the model again") from error


def named(folder: Path) -> str:
    """Return what a model is called: its folder's name, or, in a cache of the hub, what the hub calls it."""
    whole = folder.resolve()
    if whole.parent.name == "snapshots":
        return whole.parent.parent.name.removeprefix("models--").replace("--", "/")
    return whole.name


def fingerprint(folder: Path) -> str:
    """Return what tells a model from all others: a hash of the files that make its vectors, by name and content."""
    digest = xxhash.xxh3_128(_FORM.encode())
    for path in sorted(path for path in folder.rglob("*") if path.suffix in _COUNTED and path.is_file()):
        digest.update(f"\0{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode("utf-8", "replace"))
        _add(digest, path)
    return digest.hexdigest()


def exit_layers(config: dict[str, Any]) -> tuple[str, tuple[int, ...]] | None:
    """Return under which name a configuration lists the layers at which a model has exits, and the layers.

    Such a list ascends and ends with the last layer (ModularStarEncoder: 4, 9, 18, 27, 36). None where there is none.
    """
    last = config.get("num_hidden_layers")
    for name, value in config.items():
        if not isinstance(value, list) or len(value) < 2 or any(type(layer) is not int for layer in value):
            continue
        if value[-1] == last and value[0] > 0 and value == sorted(set(value)):
            return name, tuple(value)
    return None


def refuse_pickles(folder: Path) -> None:
    """Raise UsageError for weights that are there as a pickle only: reading one runs whatever it says."""
    for path in sorted(folder.rglob("pytorch_model*.bin")):
        if not any(path.parent.glob("*.safetensors")):
            raise UsageError(f"{path} is a pickle, which Fathom does not read; save the model's weights as safetensors")


def _add(digest: xxhash.xxh3_128, path: Path) -> None:
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise ModelDamaged(f"the model file {path} cannot be read: {error}") from error
