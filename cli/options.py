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
_BACK_ENDS: dict[str, dict[str, Any]] = {
    "url": {"metavar": "ADDRESS", "help": "Elasticsearch's address (or FATHOM_ELASTICSEARCH_URL)."},
    "backend": {
        "type": click.Choice([each.value for each in Backend]),
        "help": "Where the words are (or FATHOM_BACKEND); embedded by default.",
    },
}
_BACK_ENDS_SET = {"url": "elasticsearch_url"}


def shared(function: Function) -> Function:
    """Add --index, --json, -q and -v to a command, and the back ends."""
    path = click.Path(path_type=Path, file_okay=False)
    decorated: Any = function
    decorated = click.option("-v", "--verbose", is_flag=True, help="Say more, on standard error.")(decorated)
    decorated = click.option("-q", "--quiet", is_flag=True, help="Say nothing but results and errors.")(decorated)
    decorated = click.option("--json", "as_json", is_flag=True, help="Write JSON to standard output.")(decorated)
    for name, declared in _BACK_ENDS.items():
        decorated = click.option(f"--{name}", expose_value=False, callback=_keep, **declared)(decorated)
    where = "Folder of the index (or FATHOM_INDEX)."
    decorated = click.option("--index", "folder", type=path, help=where)(decorated)
    return cast("Function", decorated)


def _keep(context: click.Context, option: click.Parameter, value: Any) -> None:
    """Keep a setting for `settings` to find: no command has to hand it on."""
    if value is not None:
        context.meta[f"{_KEPT}.{_BACK_ENDS_SET.get(option.name or '', option.name)}"] = value


def _kept() -> dict[str, Any]:
    context = click.get_current_context(silent=True)
    found = context.meta if context else {}
    return {name.removeprefix(f"{_KEPT}."): value for name, value in found.items() if name.startswith(f"{_KEPT}.")}


def encoding(function: Function) -> Function:
    """Add --device and --ray, which say what encodes, to a command."""
    decorated: Any = function
    where = "Ray cluster that parses and encodes: HOST:PORT, auto or local (or FATHOM_RAY; extra `ray`)."
    decorated = click.option("--ray", metavar="ADDRESS", help=where)(decorated)
    what = "What the encoder runs on (or FATHOM_DEVICE); cuda needs the extra `gpu`."
    decorated = click.option("--device", type=click.Choice(["cpu", "cuda"]), help=what)(decorated)
    return cast("Function", decorated)


def modelled(function: Function) -> Function:
    """Add --model and --trust-remote-code to a command that encodes."""
    decorated: Any = function
    trusting = "Run code that comes with the model that is named, which can do whatever you can."
    decorated = click.option("--trust-remote-code", "trusting", is_flag=True, help=trusting)(decorated)
    path = click.Path(path_type=Path, file_okay=False)
    named = "Folder of another encoder model (or FATHOM_MODEL), the one that the index was made with."
    decorated = click.option("--model", type=path, help=named)(decorated)
    return cast("Function", decorated)


def settings(folder: Path | None, *, model: Path | None = None, trusting: bool = False, **changes: Any) -> Settings:
    """Return the settings with what the command line sets; `trusting` is for the model that is named."""
    chosen = _given(folder, model=model, **changes)
    if not trusting:
        return chosen
    if chosen.model is None:
        raise UsageError("--trust-remote-code goes with --model, the folder of the model whose code may run")
    return chosen.model_copy(update={"trust_remote_code": chosen.model})


def _given(folder: Path | None, **changes: Any) -> Settings:
    from pydantic import ValidationError

    given: dict[str, Any] = {
        name: value for name, value in {**_kept(), "index": folder, **changes}.items() if value is not None
    }
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"the setting {'.'.join(map(str, first['loc']))} is wrong: {first['msg']}") from error


def standard_input(text: str) -> str:
    """Return a text, or what standard input holds where the text is "-"."""
    return sys.stdin.read() if text == "-" else text
