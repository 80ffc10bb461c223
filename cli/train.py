"""`fathom train`: make a model of one's own: mine pairs, prepare them, fit the exits, ship the model."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from indexer.errors import UsageError

if TYPE_CHECKING:
    from indexer.training.merging import Merged


@click.group("train")
def command() -> None:
    """Make a model of your own: mine, prepare, fit, ship."""


@command.command("mine")
@click.option("--packages", type=click.Path(path_type=Path, dir_okay=False), help="Another list of packages.")
@click.option("--target", type=click.Path(path_type=Path, file_okay=False), help="Instead of the cache folder.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="FATHOM_DATA",
    help="Folder of the evaluation sets, which are left out (or FATHOM_DATA).",
)
@click.option("--processes", type=click.IntRange(1, 256), help="Processes that parse.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON to standard output.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but results and errors.")
def mine_command(
    packages: Path | None, target: Path | None, data: Path | None, processes: int | None, as_json: bool, quiet: bool
) -> None:
    """Fetch listed packages and write pairs of question and code: train.jsonl.gz, heldout.jsonl.gz, mined.json.

    written.jsonl.gz has pairs of mined code with queries that were written for it. What is held out also lies in
    `heldout/`, a set in BEIR layout for each language.

    Nothing of a package is run. What was fetched and mined is kept: a run that was stopped goes on where it was.
    """
    from cli.options import settings
    from cli.progress import progress
    from indexer.training.left_out import read_left_out
    from indexer.training.merging import merge, write_merged
    from indexer.training.mining import PACKAGES, mine, read_packages

    if data is None:
        raise UsageError("--data (or FATHOM_DATA) must name the folder of the evaluation sets, to leave them out")
    chosen = settings(None, processes=processes)
    folder = target or chosen.cache / "train"
    listed = read_packages(packages or PACKAGES)
    left_out = read_left_out(data)
    with progress(shown=sys.stderr.isatty() and not quiet) as report:
        results = mine(listed, folder, left_out, processes=chosen.processes, report=report)
        merged = merge(results, left_out, report=report)
    write_merged(merged, folder)
    for result in results:
        if result.failure and not quiet:
            click.echo(result.failure, err=True)
    click.echo(json.dumps(_summary(merged), indent=2) if as_json else _told(merged, folder))


_FOLDER = click.Path(path_type=Path, file_okay=False)
_FILE = click.Path(path_type=Path, dir_okay=False)
_base = click.option(
    "--base", type=_FOLDER, required=True, help="Folder of the base model (model.safetensors, config, tokenizer)."
)
_pairs = click.option("--pairs", type=_FOLDER, required=True, help="Folder of the prepared pairs.")
_run = click.option("--run", type=_FOLDER, required=True, help="Folder of the run: checkpoints and log.")
_recipe = click.option("--recipe", type=_FILE, help="Another recipe than the shipped one.")


@command.command("prepare")
@click.argument("files", nargs=-1, required=True, type=_FILE)
@_base
@_pairs
@_recipe
def prepare_command(files: tuple[Path, ...], base: Path, pairs: Path, recipe: Path | None) -> None:
    """Turn pair files into token ids and the base model's query vectors. What lies there already is kept.

    --base may be a model folder of Fathom's too, for `refit`.
    """
    from concurrent.futures import ProcessPoolExecutor
    from tempfile import TemporaryDirectory

    from cli.progress import progress
    from indexer.encoder.files import HASHES
    from indexer.encoder.onnx import OnnxEncoder
    from indexer.training.export import export_base
    from indexer.training.pairs import prepare
    from indexer.training.recipe import RECIPE, read_recipe

    data = read_recipe(recipe or RECIPE).data
    with TemporaryDirectory() as scratch, ProcessPoolExecutor() as pool, progress(shown=sys.stderr.isatty()) as report:
        own = (base / HASHES).is_file()
        if not own:
            export_base(base, Path(scratch), "base")
        counts = prepare(
            files,
            pairs,
            OnnxEncoder.load(base if own else Path(scratch)),
            query_tokens=data.query_tokens,
            code_tokens=data.code_tokens,
            pool=pool,
            report=report,
        )
    click.echo(f"{counts.pairs:,} pairs prepared in {pairs}")
    if counts.broken:
        click.echo(f"note: {counts.broken} lines are no pairs, the first is {counts.first_broken}", err=True)


@command.command("fit")
@_base
@_pairs
@_run
@_recipe
@click.option(
    "--start",
    type=click.Path(path_type=Path),
    help="Begin with this checkpoint of another run, or this model folder, instead of the base model.",
)
@click.option(
    "--share", type=click.FloatRange(0, 1), default=1.0, help="How much of --start; the rest is the base model."
)
@click.option("--minutes", type=click.FloatRange(min=0), help="Stop after this long; the next run goes on.")
def fit_command(
    base: Path, pairs: Path, run: Path, recipe: Path | None, start: Path | None, share: float, minutes: float | None
) -> None:
    """Train the exits (extra `train`). Stop it when you like: it goes on from its last checkpoint."""
    from cli.progress import progress
    from indexer.training.pairs import load_pairs
    from indexer.training.recipe import RECIPE, read_recipe

    fit, made = _torch("indexer.training.loop", "fit"), read_recipe(recipe or RECIPE)
    with progress(shown=sys.stderr.isatty()) as report:
        step = fit(run, base, made, load_pairs(pairs), start=start, share=share, minutes=minutes, report=report)
    click.echo(f"{step} of {made.run.steps} steps done in {run}")


@command.command("ship")
@click.argument("files", nargs=-1, required=True, type=_FILE)
@_base
@_pairs
@_run
@click.option("--target", type=_FOLDER, required=True, help="The model folder to write.")
@click.option("--float", "whole", type=_FOLDER, help="Also write the model in float32 here, for comparison.")
def ship_command(files: tuple[Path, ...], base: Path, pairs: Path, run: Path, target: Path, whole: Path | None) -> None:
    """Fit exit 0 and the attention to blocks to a run, and export all in 8 bits. FILES hold pairs with long codes."""
    from cli.progress import progress
    from indexer.training.pairs import load_pairs

    ship = _torch("indexer.training.shipping", "ship")
    with progress(shown=sys.stderr.isatty()) as report:
        ship(run, base, target, load_pairs(pairs), files, whole=whole, report=report)
    click.echo(f"the model is in {target}")


@command.command("refit")
@_pairs
@click.option("--model", type=_FOLDER, required=True, help="The model folder to begin with.")
@click.option("--target", type=_FOLDER, required=True, help="The model folder to write.")
@_recipe
def refit_command(pairs: Path, model: Path, target: Path, recipe: Path | None) -> None:
    """Fit exit 0 of a model to more pairs, prepared with that model as --base; the layers stay as they are."""
    from cli.progress import progress
    from indexer.training.pairs import load_pairs
    from indexer.training.recipe import RECIPE, read_recipe

    refit, made = _torch("indexer.training.shipping", "refit"), read_recipe(recipe or RECIPE)
    with progress(shown=sys.stderr.isatty()) as report:
        refit(model, target, load_pairs(pairs), made, report)
    click.echo(f"the model with its exit 0 fitted anew is in {target}")


def _torch(module: str, name: str) -> Any:
    """Return what needs torch; raise UsageError saying how to get it."""
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        raise UsageError(f"{error.name} is not installed; `pip install 'fathom-search[train]'` brings it") from error


def _summary(merged: Merged) -> dict[str, dict[str, int]]:
    return {"train": merged.counts(), "held_out": merged.counts(held_out=True)}


def _told(merged: Merged, folder: Path) -> str:
    lines = [f"{len(merged.train):,} pairs to train on and {len(merged.held_out):,} held out, in {folder}"]
    held_out = merged.counts(held_out=True)
    for language, count in merged.counts().items():
        lines.append(f"  {language:12} {count:>8,} {held_out.get(language, 0):>8,}")
    return "\n".join(lines)
