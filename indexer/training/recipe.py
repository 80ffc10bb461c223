"""The recipe of a model: one TOML file, checked when read. A run remembers its own and refuses another."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from indexer.encoder.static import Pooling
from indexer.errors import UsageError

RECIPE = Path(__file__).with_name("recipe.toml")
_Share = Field(ge=0, le=1)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelPart(_Part):
    """What is made."""

    name: str
    depths: tuple[int, ...]


class DataPart(_Part):
    """What the model sees, and in which shapes."""

    query_tokens: int = Field(ge=1)
    code_tokens: int = Field(ge=1)
    language_power: float = _Share
    normal: float = _Share
    named: float = _Share
    documented: float = _Share
    asked: float = _Share
    written: float = _Share
    renamed: float = _Share
    renamed_words: float = _Share
    neighbours: float = _Share
    neighbour_group: int = Field(ge=2)


class LossPart(_Part):
    """What is asked of it."""

    scale: float = Field(gt=0)
    exits: dict[int, float]
    frozen_queries: int = Field(ge=0)
    vectors: float = Field(ge=0)
    similarities: float = Field(ge=0)
    base: float = Field(ge=0)
    anchor: float = Field(ge=0)
    repository: float = Field(ge=0)
    same: float = _Share


class RunPart(_Part):
    """How long, how fast, in which pieces."""

    seed: int
    batch: int = Field(ge=2)
    steps: int = Field(ge=1)
    warmup: int = Field(ge=0)
    decay: float = _Share
    rate: float = Field(gt=0)
    deep_rate: float = Field(gt=0)
    head_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    save_every: int = Field(ge=1)


class StaticPart(_Part):
    """How the token table of exit 0 is fitted."""

    seed: int
    batch: int = Field(ge=2)
    epochs: int = Field(ge=1)
    rate: float = Field(gt=0)
    # The same where it begins with the table of a model.
    again_epochs: int = Field(ge=1)
    again_rate: float = Field(gt=0)
    # How often the code of a written query has its documentation before it.
    documented: float = _Share
    # How a text's tokens are summed (`indexer.encoder.static.Pooling`).
    front: float = Field(ge=0)
    decay: float = Field(gt=0)
    power: float = Field(gt=0, le=1)
    # What its vector weighs beside that of a deeper exit, which is 1.
    shares: dict[int, Annotated[float, Field(ge=0, lt=1)]]

    def pooling(self) -> Pooling:
        """Return how a text's tokens are summed."""
        return Pooling(self.front, self.decay, self.power)

    def again(self) -> StaticPart:
        """Return how a table that is fitted already is fitted to more pairs."""
        return self.model_copy(update={"epochs": self.again_epochs, "rate": self.again_rate})


class Recipe(_Part):
    """A whole recipe."""

    model: ModelPart
    data: DataPart
    loss: LossPart
    run: RunPart
    static: StaticPart

    @model_validator(mode="after")
    def _weighs_every_exit(self) -> Recipe:
        if set(self.loss.exits) != set(self.model.depths):
            raise ValueError("loss.exits must give a weight to each of model.depths, and to no other")
        if not set(self.static.shares) <= set(self.model.depths):
            raise ValueError("static.shares must name none but model.depths")
        return self

    def identity(self) -> str:
        """Return what tells runs apart that cannot go on from each other: all but how long they run."""
        content = self.model_copy(update={"run": self.run.model_copy(update={"steps": 1, "save_every": 1})})
        return hashlib.blake2b(content.model_dump_json().encode(), digest_size=8).hexdigest()


def read_recipe(path: Path = RECIPE) -> Recipe:
    """Read a recipe; raise UsageError naming the file and what is wrong in it."""
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"the recipe {path} cannot be read: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(f"the recipe {path}: {where}: {first['msg']}") from error
