"""Loading with other people's libraries: offline, quiet, and every failure of theirs as an error of ours."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from indexer.encoder.batches import lacks_memory
from indexer.errors import EnvironmentFailed, FathomError, ModelDamaged, UsageError

_NEEDED = ("sentence_transformers", "torch")


def require() -> None:
    """Raise UsageError, with what installs it, where the extra `models` is missing."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(
            f"a model of one's own needs the extra `models` ({missing[0]} is not installed): "
            "pip install 'fathom-search[models]'"
        )


def library(name: str) -> Any:
    """Import a library that could use the network, told that there is none, and that waiting threads are to sleep.

    Threads that spin are seven times slower on a machine that is busy, and take a core from whoever else is at work.
    """
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    return importlib.import_module(name)


@contextmanager
def loading(folder: Path) -> Iterator[None]:
    """Turn what goes wrong while a model is loaded, and first run, into UsageError, EnvironmentFailed or ModelDamaged.

    A damaged file fails in many ways, and so does code that comes with a model.
    """
    try:
        with _quiet():
            yield
    except FathomError:
        raise
    except ImportError as error:
        raise EnvironmentFailed(f"the model {folder} needs a package that is not installed: {error}") from error
    except Exception as error:
        said = next(iter(str(error).strip().splitlines()), type(error).__name__)
        if "trust_remote_code" in str(error):
            raise UsageError(_untrusted(folder)) from error
        if lacks_memory(error):
            raise EnvironmentFailed(f"there is too little memory to load the model {folder}: {said}") from error
        raise ModelDamaged(f"the model {folder} cannot be loaded: {said}; fetch it again") from error


def refuse_untrusted(folder: Path) -> None:
    """Raise UsageError for a model that cannot be run without code of its own."""
    raise UsageError(_untrusted(folder))


def _untrusted(folder: Path) -> str:
    files = sorted(path.name for path in folder.glob("*.py"))
    its = f" ({', '.join(files)})" if files else ""
    return (
        f"the model {folder} runs code of its own{its}, which can do whatever you can; "
        "if you have read it and trust it, name the model with --model and add --trust-remote-code"
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the libraries' bars and remarks off standard error."""
    logging = library("transformers.utils.logging")
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
