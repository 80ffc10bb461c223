"""The files of a model folder and their hashes: what was shipped is what runs."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from indexer.errors import ModelDamaged

HASHES = "hashes.json"
MODEL_FILES = ("config.json", "model.onnx", "tokenizer.json")


def write_hashes(folder: Path) -> None:
    """Write the hash of every file that is loaded beside them."""
    hashes = {name: _hash(folder / name) for name in MODEL_FILES}
    (folder / HASHES).write_text(json.dumps(hashes, indent=2) + "\n")


def verify(folder: Path) -> str:
    """Check every file; return a fingerprint of all. Raises ModelDamaged naming the file."""
    try:
        hashes = json.loads((folder / HASHES).read_text())
    except (OSError, ValueError) as error:
        raise ModelDamaged(f"the model folder {folder} has no readable {HASHES}; install Fathom again") from error
    for name in MODEL_FILES:
        path = folder / name
        if not path.is_file():
            raise ModelDamaged(f"the model file {path} is missing; install Fathom again")
        if not isinstance(hashes, dict) or _hash(path) != hashes.get(name):
            raise ModelDamaged(f"the model file {path} is not what its hash says; install Fathom again")
    joined = "".join(hashes[name] for name in MODEL_FILES)
    return hashlib.blake2b(joined.encode(), digest_size=8).hexdigest()


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, _blake2b).hexdigest()


def _blake2b() -> hashlib.blake2b:
    return hashlib.blake2b(digest_size=32)
