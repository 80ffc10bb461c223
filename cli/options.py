"""Options that several commands share, and the settings they make."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import click

from indexer.errors import UsageError
from indexer.settings import Backend, Settings

Function = Callable[..., Any]

_KEPT = "fathom.settings"
_TRUSTING = "trusting"


def shared(function: Function) -> Function:
    """Add --index, --json, -q and -v to a command, and the back ends."""
    path = click.Path(path_type=Path, file_okay=False)
    decorated: Any = function
    decorated = click.option("-v", "--verbose", is_flag=True, help="Say more, on standard error.")(decorated)
    decorated = click.option("-q", "--quiet", is_flag=True, help="Say nothing but results and errors.")(decorated)
    decorated = click.option("--json", "as_json", is_flag=True, help="Write JSON to standard output.")(decorated)
    address = "Elasticsearch's address (or FATHOM_ELASTICSEARCH_URL)."
    decorated = _kept_option("--url", "elasticsearch_url", metavar="ADDRESS", help=address)(decorated)
    held = "Where the words are (or FATHOM_BACKEND); embedded by default."
    decorated = _kept_option("--backend", type=click.Choice([each.value for each in Backend]), help=held)(decorated)
    where = "Folder of the index (or FATHOM_INDEX)."
    decorated = click.option("--index", "folder", type=path, help=where)(decorated)
    return cast("Function", decorated)


def encoding(function: Function) -> Function:
    """Add --device and --ray, which say what encodes, to a command."""
    where = "Ray cluster that parses and encodes: HOST:PORT, auto or local (or FATHOM_RAY; extra `ray`)."
    what = "What the encoder runs on (or FATHOM_DEVICE); cuda needs the extra `gpu`."
    decorated = _kept_option("--ray", metavar="ADDRESS", help=where)(function)
    return _kept_option("--device", type=click.Choice(["cpu", "cuda"]), help=what)(decorated)


def modelled(function: Function) -> Function:
    """Add --model and --trust-remote-code to a command that encodes."""
    trusting = "Run code that comes with the model that is named, which can do whatever you can."
    path = click.Path(path_type=Path, file_okay=False)
    named = "Folder of another encoder model (or FATHOM_MODEL), the one that the index was made with."
    decorated = _kept_option("--trust-remote-code", _TRUSTING, is_flag=True, help=trusting)(function)
    return _kept_option("--model", type=path, help=named)(decorated)


def _kept_option(*names: str, **declared: Any) -> Callable[[Function], Function]:
    """Return an option that `settings` finds: no command has to hand it on."""
    return click.option(*names, expose_value=False, callback=_keep, **declared)


def _keep(context: click.Context, option: click.Parameter, value: Any) -> None:
    if value is not None:
        context.meta[f"{_KEPT}.{option.name}"] = value


def _kept() -> dict[str, Any]:
    context = click.get_current_context(silent=True)
    found = context.meta if context else {}
    return {name.removeprefix(f"{_KEPT}."): value for name, value in found.items() if name.startswith(f"{_KEPT}.")}


def settings(folder: Path | None, **changes: Any) -> Settings:
    """Return the settings with what the command line sets."""
    from pydantic import ValidationError

    kept = _kept()
    trusting = kept.pop(_TRUSTING, False)
    given: dict[str, Any] = {
        name: value for name, value in {**kept, "index": folder, **changes}.items() if value is not None
    }
    try:
        chosen = Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"the setting {'.'.join(map(str, first['loc']))} is wrong: {first['msg']}") from error
    if not trusting:
        return chosen
    if chosen.model is None:
        raise UsageError("--trust-remote-code goes with --model, the folder of the model whose code may run")
    return chosen.model_copy(update={"trust_remote_code": chosen.model})


def standard_input(text: str) -> str:
    """Return a text, or what standard input holds where the text is "-"."""
    return sys.stdin.read() if text == "-" else text
