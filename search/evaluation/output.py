"""Measured sets as JSON, as TREC runs and as tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from search.evaluation.evaluate import Judged, SetReport
from search.evaluation.measures import MEASURES, Estimate, compare

if TYPE_CHECKING:
    from rich.table import Table

_GROUP_MEASURE = "NDCG@10"
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
    if compared is not None:
        entry["comparison"] = {"systems": list(compared), **_means(differences(report, *compared))}
    return entry


def differences(report: SetReport, left: str, right: str, queries: Sequence[str] | None = None) -> dict[str, Estimate]:
    """Return the mean of every measure's paired differences, with its interval."""
    return {
        name: compare(
            _some(report.systems[left], name, queries),
            _some(report.systems[right], name, queries),
        )
        for name in MEASURES
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
    """Return the table of a set and, with `groups`, one of each grouping."""
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
    return [main, *(_group_tables(report) if groups else [])]


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


def cell(each: Estimate) -> str:
    """Return a mean with its interval, as tables show it."""
    return f"{each.value:.3f} [{each.low:.3f}, {each.high:.3f}]"
