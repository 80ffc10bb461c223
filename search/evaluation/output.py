"""Measured sets as JSON, as TREC runs and as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from indexer.errors import UsageError
from search.evaluation.evaluate import Judged, SetReport
from search.evaluation.generations import Generations
from search.evaluation.measures import MEASURES, Estimate, compare

if TYPE_CHECKING:
    from rich.table import Table

_GROUP_MEASURE = "NDCG@10"
_GAIN_MEASURES = ("NDCG@10", "MRR@10", "R@1", "R@10")
_RUN_TAG = "fathom"


def as_json(reports: Sequence[SetReport], *, compared: tuple[str, str] | None = None) -> list[dict[str, Any]]:
    """Return the public shape: one entry a set, each measure as [value, low, high]."""
    return [_entry(report, compared) for report in reports]


def _entry(report: SetReport, compared: tuple[str, str] | None) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "set": report.name,
        "queries": report.queries,
        "texts": report.texts,
        "systems": {name: _means(judged.means()) for name, judged in report.systems.items()},
        "groups": {
            group: {
                value: {
                    "queries": len(queries),
                    "systems": {name: _means(judged.means(queries)) for name, judged in report.systems.items()},
                }
                for value, queries in values.items()
                if queries
            }
            for group, values in report.groups.items()
        },
    }
    if any(judged.line_values for judged in report.systems.values()):
        by_lines = {name: _means(judged.means(by_lines=True)) for name, judged in report.systems.items()}
        entry["systems_by_lines"] = by_lines
    if report.generations is not None:
        entry["rewriter"] = _rewriter(report.generations)
    if gained := gains(report):
        entry["gains"] = {name: _means(each) for name, each in gained.items()}
    if compared is not None:
        entry["comparison"] = {"systems": list(compared), **_means(differences(report, *compared))}
    return entry


def differences(report: SetReport, left: str, right: str, queries: Sequence[str] | None = None) -> dict[str, Estimate]:
    """Return the mean of every measure's paired differences, with its interval; raise UsageError for no such system."""
    for name in (left, right):
        if name not in report.systems:
            raise UsageError(f"{report.name} was not measured with {name}: nothing was generated for it")
    return {
        name: compare(
            _some(report.systems[left], name, queries),
            _some(report.systems[right], name, queries),
        )
        for name in MEASURES
    }


def gains(report: SetReport) -> dict[str, dict[str, Estimate]]:
    """Return, for every system with generations, its paired differences to the same one without."""
    pairs = ((name, report.plain(name)) for name in report.systems)
    return {name: differences(report, name, plain) for name, plain in pairs if plain is not None}


def _rewriter(generations: Generations) -> dict[str, Any]:
    return {
        "name": generations.by,
        "exemplars": len(generations.exemplars),
        "purposes": len(generations.purposes),
        "rewritten": len(generations.rewritten),
        "tokens_in": generations.tokens_in,
        "tokens_out": generations.tokens_out,
    }


def _some(judged: Judged, measure: str, queries: Sequence[str] | None) -> dict[str, float]:
    values = judged.values[measure]
    return dict(values) if queries is None else {query: values[query] for query in queries}


def _means(means: dict[str, Estimate]) -> dict[str, list[float]]:
    return {name: [round(value, 6) for value in (each.value, each.low, each.high)] for name, each in means.items()}


def write_runs(reports: Sequence[SetReport], folder: Path) -> list[Path]:
    """Write every system's run of every set in TREC's format; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for place, report in enumerate(reports):
        # Sets in several folders may share a name.
        same = sum(earlier.name == report.name for earlier in reports[:place])
        stem = report.name.replace(" ", "-") + (f"-{same + 1}" if same else "")
        for name, judged in report.systems.items():
            path = folder / f"{stem}.{name}.trec"
            path.write_text("".join(_run_lines(judged)), encoding="utf-8")
            written.append(path)
    return written


def _run_lines(judged: Judged) -> list[str]:
    return [
        f"{_field(query)} Q0 {_field(target)} {rank} {1 / rank:.6f} {_RUN_TAG}\n"
        for query, targets in judged.run.items()
        for rank, target in enumerate(targets, 1)
    ]


def _field(text: str) -> str:
    """Return a text as one field: white space, which parts fields, percent-encoded."""
    return "".join(quote(character) if character.isspace() else character for character in text)


def tables(report: SetReport, *, groups: bool) -> list[Table]:
    """Return the table of a set, one of what generations bring and, with `groups`, one of each grouping."""
    from rich.table import Table

    main = Table(title=f"{report.name}: {report.queries} queries, {report.texts} units", title_justify="left")
    main.add_column("system")
    for measure in MEASURES:
        main.add_column(measure, justify="right")
    for name, judged in report.systems.items():
        main.add_row(name, *(cell(each) for each in judged.means().values()))
    for name, judged in report.systems.items():
        if judged.line_values:
            main.add_row(f"{name}, by unit", *(cell(each) for each in judged.means(by_lines=True).values()))
    gained = gains(report)
    found = [main, _gain_table(report, gained)] if gained else [main]
    return [*found, *(_group_tables(report) if groups else [])]


def _gain_table(report: SetReport, gained: Mapping[str, dict[str, Estimate]]) -> Table:
    from rich.table import Table

    title = f"{report.name}, gains over plain, paired"
    if report.generations is not None:
        title += f"; {_counts(report, report.generations)}"
    table = Table(title=title, title_justify="left")
    table.add_column("system")
    for measure in _GAIN_MEASURES:
        table.add_column(measure, justify="right")
    for name, found in gained.items():
        table.add_row(name, *(cell(found[measure], sign="+") for measure in _GAIN_MEASURES))
    return table


def _counts(report: SetReport, generations: Generations) -> str:
    counts = f"{len(generations.exemplars)} of {report.queries} queries, {len(generations.purposes)} purposes and "
    return f"{generations.by}: {counts}{len(generations.rewritten)} rewritings of {report.texts} texts"


def _group_tables(report: SetReport) -> list[Table]:
    from rich.table import Table

    found = []
    for group, values in report.groups.items():
        table = Table(title=f"{report.name}, {_GROUP_MEASURE} by {group}", title_justify="left")
        table.add_column(group)
        table.add_column("queries", justify="right")
        for name in report.systems:
            table.add_column(name, justify="right")
        for value, queries in sorted(values.items()):
            if queries:
                cells = (cell(each.means(queries)[_GROUP_MEASURE]) for each in report.systems.values())
                table.add_row(value, str(len(queries)), *cells)
        found.append(table)
    return found


def cell(each: Estimate, *, sign: str = "") -> str:
    """Return a mean with its interval, as tables show it; with `sign` "+", differences."""
    value, low, high = (f"{number:{sign}.3f}" for number in (each.value, each.low, each.high))
    return f"{value} [{low}, {high}]"
