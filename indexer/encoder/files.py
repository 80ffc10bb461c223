"""The files of a model folder and their hashes: what was shipped is what runs."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, ValidationError, model_validator

from indexer.errors import ModelDamaged

CONFIG = "config.json"
HASHES = "hashes.json"
TOKENIZER = "tokenizer.json"
# The weights of all graphs, and the token table of exit 0, where the model has one.
WEIGHTS = "weights.bin"
STATIC = "static.npz"


class ModelConfig(BaseModel):
    """What the configuration of a model folder says: its exits (ascending), sizes in tokens and numbers a vector."""

    model_config = ConfigDict(frozen=True)

    name: str
    dimension: PositiveInt
    depths: tuple[NonNegativeInt, ...]
    window: PositiveInt
    start_id: NonNegativeInt
    end_id: NonNegativeInt
    block_scorer: tuple[float, ...] | None = None
    # What the vector of exit 0 weighs beside that of a deeper exit, which is 1.
    static_shares: dict[PositiveInt, Annotated[float, Field(ge=0, lt=1)]] = {}

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not self.depths or list(self.depths) != sorted(set(self.depths)):
            raise ValueError(f"depths {list(self.depths)}: a model has one exit at least, and they ascend")
        if self.block_scorer is not None and len(self.block_scorer) != self.dimension:
            raise ValueError(f"block_scorer of {len(self.block_scorer)} numbers, not {self.dimension}")
        if self.static_shares and not {0, *self.static_shares} <= {*self.depths}:
            raise ValueError(f"static_shares of exits {sorted(self.static_shares)}: the model has {list(self.depths)}")
        return self


def graph_name(depth: int | str) -> str:
    """Return the name of the graph of an exit."""
    return f"exit-{depth}.onnx"


def write_hashes(folder: Path) -> None:
    """Write the hash of every file that is loaded beside them."""
    hashes = {name: _hash(folder / name) for name in _needed(folder)}
    (folder / HASHES).write_text(json.dumps(hashes, indent=2) + "\n")


def verify(folder: Path) -> str:
    """Check every file; return a fingerprint of all. Raises ModelDamaged naming the file."""
    try:
        hashes = json.loads((folder / HASHES).read_text())
    except (OSError, ValueError) as error:
        raise ModelDamaged(f"the model folder {folder} has no readable {HASHES}; install Fathom again") from error
    known = hashes if isinstance(hashes, dict) else {}
    # What the others are called is in the first.
    _verify_file(folder / CONFIG, known)
    names = sorted(_needed(folder))
    for name in names:
        _verify_file(folder / name, known)
    joined = "".join(known[name] for name in names)
    return hashlib.blake2b(joined.encode(), digest_size=8).hexdigest()


def read_config(folder: Path) -> ModelConfig:
    """Return what the model is; raise ModelDamaged where that is not said, or cannot be."""
    path = folder / CONFIG
    try:
        return ModelConfig.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError, UnicodeDecodeError) as error:
        raise ModelDamaged(f"the model file {path} does not describe a model ({_first_line(error)})") from error


def _first_line(error: Exception) -> str:
    """Say what is wrong with a configuration in one line."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    return ": ".join(part for part in (".".join(map(str, first["loc"])), first["msg"]) if part)


def _verify_file(path: Path, hashes: dict[str, str]) -> None:
    if not path.is_file():
        raise ModelDamaged(f"the model file {path} is missing; install Fathom again")
    if _hash(path) != hashes.get(path.name):
        raise ModelDamaged(f"the model file {path} is not what its hash says; install Fathom again")


def _needed(folder: Path) -> list[str]:
    """Return the names of the files that the folder's configuration calls for."""
    depths = read_config(folder).depths
    graphs = [graph_name(depth) for depth in depths if depth]
    return [CONFIG, TOKENIZER, *([WEIGHTS] if graphs else []), *graphs, *([STATIC] if 0 in depths else [])]


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, _blake2b).hexdigest()


def _blake2b() -> hashlib.blake2b:
    return hashlib.blake2b(digest_size=32)
