"""Settings, read once from the environment (`FATHOM_…`) and passed on: where, how much, how many."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

_MIB = 1 << 20


def _default_index() -> Path:
    return Path(platformdirs.user_data_dir("fathom")) / "index"


def _default_cache() -> Path:
    return Path(platformdirs.user_cache_dir("fathom"))


class Settings(BaseSettings):
    """What a user may set; command-line options come before the environment, that before these defaults."""

    model_config = SettingsConfigDict(env_prefix="FATHOM_", frozen=True, extra="ignore")

    index: Path = Field(default_factory=_default_index, description="folder of the index")
    cache: Path = Field(default_factory=_default_cache, description="folder of cloned repositories")
    processes: int = Field(default_factory=lambda: max(1, os.cpu_count() or 1), ge=1, le=256)
    max_file_bytes: int = Field(default=_MIB, ge=1, description="larger files are counted, not indexed")
    include_vendored: bool = Field(default=False, description="index dependencies and build folders too")
    model: Path | None = Field(default=None, description="folder of another encoder model")
    depth: int | None = Field(default=None, description="depth of the encoder for code; its deepest by default")
    query_depth: int | None = Field(default=None, description="depth of the encoder for queries; its deepest")
