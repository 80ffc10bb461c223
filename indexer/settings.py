"""Settings, read once from the environment (`FATHOM_…`) and a file, and passed on: where, how much, how many."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from indexer.errors import UsageError

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


class Backend(StrEnum):
    """What holds an index: files; files, and a cluster for its words; or a cluster alone."""

    EMBEDDED = "embedded"
    ELASTICSEARCH = "elasticsearch"
    ELASTICSEARCH_ALONE = "elasticsearch-alone"

    @property
    def clustered(self) -> bool:
        """Whether a cluster holds the words."""
        return self is not Backend.EMBEDDED

    @property
    def alone(self) -> bool:
        """Whether a cluster holds everything: units, words and vectors."""
        return self is Backend.ELASTICSEARCH_ALONE


class Settings(BaseSettings):
    """What a user may set.

    Command-line options come before the environment, that before the TOML file that FATHOM_SETTINGS names, if it names
    one, and that before these defaults. UsageError says what is wrong with the file.
    """

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
    backend: Backend = Field(default=Backend.EMBEDDED, description="what holds the index")
    elasticsearch_url: _Listed = Field(default=(), description="addresses, with commas, of one Elasticsearch cluster")
    elasticsearch_name: str = Field(
        default="fathom",
        pattern="^[a-z][a-z0-9_-]{0,99}$",
        description="what the index is called there; each index in a cluster has a name of its own",
    )
    elasticsearch_key: SecretStr = Field(default=SecretStr(""), description="an API key of the cluster")
    elasticsearch_user: str = Field(default="", description="a user of the cluster, instead of a key")
    elasticsearch_password: SecretStr = Field(default=SecretStr(""), description="that user's password")
    elasticsearch_ca: Path | None = Field(default=None, description="PEM file of who signed its certificate")
    elasticsearch_seconds: float = Field(default=5.0, gt=0, description="how long a search waits for the cluster")
    elasticsearch_shards: int = Field(default=1, ge=1, le=1024, description="shards of an index that is made")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return where settings come from, the first that has one deciding."""
        del dotenv_settings, file_secret_settings
        path = os.environ.get("FATHOM_SETTINGS")
        return (init_settings, env_settings, *((_file(settings_cls, Path(path)),) if path else ()))


def _file(settings: type[BaseSettings], path: Path) -> TomlConfigSettingsSource:
    """Return what a file sets; raise UsageError where it cannot be read or sets what there is not."""
    if not path.is_file():
        raise UsageError(f"FATHOM_SETTINGS names {path}, and there is no such file")
    try:
        found = TomlConfigSettingsSource(settings, path)
    except (OSError, ValueError) as error:
        raise UsageError(f"the settings {path} cannot be read: {error}") from error
    unknown = sorted(set(found()) - set(settings.model_fields))
    if unknown:
        raise UsageError(f"the settings {path} set {unknown[0]!r}, which is no setting")
    return found


def secrets() -> set[str]:
    """Return the names of the settings that nobody is to see."""
    return {name for name, field in Settings.model_fields.items() if field.annotation is SecretStr}
