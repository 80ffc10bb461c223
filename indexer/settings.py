"""Settings, read once from the environment (`FATHOM_…`) and passed on: where, how much, how many."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

_MIB = 1 << 20
# The most that a text of a unit can weigh: BM25 reads it so many times.
_MOST_WEIGHT = 10.0


def _listed(value: object) -> object:
    """Return the entries of a list that is written with commas."""
    return tuple(each.strip() for each in value.split(",") if each.strip()) if isinstance(value, str) else value


Device = Literal["cpu", "cuda"]
_Listed = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]


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
    trust_remote_code: Path | None = Field(default=None, description="the same folder, if code in it may run")
    device: Device = Field(default="cpu", description="what the encoder runs on: cpu, or cuda (extra gpu)")
    ray: str = Field(default="", description="Ray cluster that parses and encodes: HOST:PORT, auto or local")
    depth: int | None = Field(default=None, description="depth of the encoder for code; its deepest by default")
    query_depth: int | None = Field(default=None, description="depth of the encoder for queries; its deepest")
    generator_url: str = Field(default="", description="address of a chat server that writes code for queries")
    generator_model: str = Field(default="", description="its model there; without an address, a model's folder here")
    generator_key: SecretStr = Field(default=SecretStr(""), description="the server's key")
    generator_concurrency: int = Field(default=4, ge=1, le=256, description="requests of `fathom rewrite` at a time")
    price_in: float | None = Field(default=None, ge=0, description="what a million tokens read by it cost")
    price_out: float | None = Field(default=None, ge=0, description="what a million tokens written by it cost")
    weight_rewritten: float = Field(default=1.0, ge=0, le=_MOST_WEIGHT, description="what a rewriting counts, code 1")
    weight_purpose: float = Field(default=1.0, ge=0, le=_MOST_WEIGHT, description="what a purpose counts, code 1")
    keys: Path | None = Field(
        default=None, description="TOML file of the keys that the server asks for; none by default"
    )
    hosts: _Listed = Field(default=(), description="names, with commas, that the server answers to")
    cors: _Listed = Field(default=(), description="origins, with commas, whose pages may ask the server; * is any")
    log_queries: bool = Field(default=False, description="write queries to the server's log")
