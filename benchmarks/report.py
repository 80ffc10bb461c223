"""The evaluation report: every set and system with intervals, what each signal brings, and the worst failures.

`make report` writes `docs/evaluation.md` and the plots under `docs/plots/`. The ablation is what `benchmarks/tune.py
--ablate` measured last.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import exits_report, reliability
from benchmarks.cross_language import CROSS_LANGUAGE
from benchmarks.examples import OWN_SET, TEXT_SETS
from benchmarks.machine import RESULTS, machine
from indexer.encoder.interface import Encoder
from indexer.errors import UsageError
from indexer.index import load_encoder
from indexer.settings import Settings
from search.classes import QueryClass
from search.engine import Engine
from search.evaluation.evaluate import SetReport, evaluate_set
from search.evaluation.indexes import repository_indexes
from search.evaluation.measures import Estimate
from search.evaluation.output import cell, differences
from search.evaluation.sets import Question, RepositorySet, read_set
from search.evaluation.sources import default_layout
from search.evaluation.systems import SYSTEMS

DOCS = Path("docs")
PLOTS = DOCS / "plots"
_MEASURE = "NDCG@10"
_WORST = 20
# Beyond this rank a system is said to have missed an answer.
_FOUND = 20
_SYSTEMS_NOTE = (
    "Systems: `bm25` and `vectors` alone, `fused` (their weighted sum), `ranked` (the linear model over all "
    "signals, which is what a search does). Sets in BEIR layout count texts; the repository set counts files, and "
    "units where it says so."
)
_FITTED_NOTE = (
    "The ranking weights were fitted on cosqa-dev, mbpp-recorded, java-csharp-dev, one half of cross-language and on "
    "twelve of the sixteen packages: there `ranked` is what was fitted, and only the packages kept out say how it does "
    "on new code; the other half of cross-language is measured by `python -m benchmarks.cross_language`. "
    "Figures with weights fitted without what they are measured on stand under *What each signal brings*."
)
# By query class: the commit that an ablation was measured at, and what it found.
Tuned = Mapping[str, tuple[str, Mapping[str, Any]]]
_COLOURS = {"bm25": "#b5651d", "vectors": "#2f6db5", "fused": "#6b5ca5", "ranked": "#1f7a4d"}


@dataclass(frozen=True)
class Failure:
    """A question whose answer stands low, with where each index had it and what stood first."""

    question: Question
    rank: int | None
    bm25: int | None
    vectors: int | None
    first: str

    @property
    def cause(self) -> str:
        """Return why it failed, told by which index had the answer."""
        words = self.bm25 is not None and self.bm25 <= _FOUND
        meaning = self.vectors is not None and self.vectors <= _FOUND
        if words and meaning:
            return "both indexes had it, the ranking put others above it"
        if words:
            return "only the words had it"
        return "only the vectors had it" if meaning else "neither index had it near the top"


def measure(settings: Settings, encoder: Encoder, data: Path) -> list[SetReport]:
    """Evaluate every set, the ones with docstrings twice."""
    found = []
    for name in TEXT_SETS:
        found.append(evaluate_set(data / name, settings, encoder))
    found.append(evaluate_set(data / "cosqa-dev", settings, encoder, stripped=True))
    found.append(evaluate_set(CROSS_LANGUAGE, settings, encoder))
    found.append(evaluate_set(OWN_SET, settings, encoder))
    return found


def latencies(settings: Settings, encoder: Encoder) -> dict[str, float]:
    """Return the median milliseconds of a query for each system on the repository set, encoding included."""
    questions = read_set(OWN_SET)
    assert isinstance(questions, RepositorySet)
    took: dict[str, list[float]] = {name: [] for name in SYSTEMS}
    for source, index in repository_indexes(questions, default_layout(OWN_SET, settings), settings, encoder):
        engine = Engine(index, encoder, settings)
        engine.search("warm up")
        for question in questions.questions.values():
            if question.repository == source.repository:
                for name, system in SYSTEMS.items():
                    started = time.perf_counter()
                    system.ranking(engine, question.text)
                    took[name].append(1e3 * (time.perf_counter() - started))
    return {name: statistics.median(values) for name, values in took.items()}


def failures(report: SetReport) -> list[Failure]:
    """Return the questions whose first right file stands lowest, worst first, by cause."""
    questions = read_set(OWN_SET)
    assert isinstance(questions, RepositorySet)
    found = []
    for key, question in questions.questions.items():
        right = {f"{each.repository}/{each.path}" for each in question.answers}
        ranks = {name: _first(judged.run[key], right) for name, judged in report.systems.items()}
        top = report.systems["ranked"].run[key]
        found.append(Failure(question, ranks["ranked"], ranks["bm25"], ranks["vectors"], top[0] if top else "nothing"))
    worst = sorted(found, key=lambda each: (-(each.rank or 10**6), each.question.id))[:_WORST]
    return sorted(worst, key=lambda each: (each.cause, -(each.rank or 10**6), each.question.id))


def _first(run: Sequence[str], right: Iterable[str]) -> int | None:
    wanted = set(right)
    return next((rank for rank, target in enumerate(run, 1) if target in wanted), None)


# text


def write(reports: Sequence[SetReport], took: Mapping[str, float], tuned: Tuned) -> None:
    """Write the page."""
    where = machine()
    own = reports[-1]
    lines = [
        "# How good the search is",
        "",
        f"Made by `make report` on {where['date'][:10]}, commit {where['commit']}, {where['cores']} cores "
        f"({', '.join(where['instructions'])}). Intervals are 95 % bootstrap intervals over the queries.",
        "",
        _SYSTEMS_NOTE,
        "",
        _FITTED_NOTE,
        "",
        "![NDCG@10 of every set and system](plots/sets.svg)",
        "",
    ]
    for report in reports:
        lines += _set_section(report)
    lines += _own_section(own)
    lines += _latency_section(own, took)
    lines += reliability.lines(exits_report.last("calibrate"))
    lines += exits_report.lines(exits_report.last("exits"), exits_report.last("aggregation"))
    lines += _ablation_section(tuned) if tuned else []
    lines += _failure_section(own)
    (DOCS / "evaluation.md").write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


def _set_section(report: SetReport) -> list[str]:
    rows = [[name, *map(cell, judged.means().values())] for name, judged in report.systems.items()]
    measures = list(next(iter(report.systems.values())).values)
    title = f"## {report.name}: {report.queries} queries, {report.texts} units"
    rows += [
        [f"{name}, by unit", *map(cell, judged.means(by_lines=True).values())]
        for name, judged in report.systems.items()
        if judged.line_values
    ]
    return [title, "", *_table(["system", *measures], rows), ""]


def _own_section(report: SetReport) -> list[str]:
    lines = [
        "## The repository set, in parts",
        "",
        "512 questions on 16 packages in 12 languages, written from reading the code before any engine was asked: "
        "288 meant to share no word with the answer's path or name, 224 in everyday words. A second reader answered "
        "each question without seeing the answer: 487 agreed, 25 were repaired, none dropped. Four packages "
        "(marshmallow, raft, jsoup, libevent) are kept out of all tuning.",
        "",
    ]
    for group in ("split", "words", "kind", "language", "length"):
        rows = [
            [value, str(len(queries)), *(cell(each.means(queries)[_MEASURE]) for each in report.systems.values())]
            for value, queries in sorted(report.groups[group].items())
        ]
        lines += [f"{_MEASURE} by {group}:", "", *_table([group, "queries", *report.systems], rows), ""]
    held_out = report.groups["split"]["held out"]
    for other in ("bm25", "vectors", "fused"):
        paired = differences(report, "ranked", other, held_out)[_MEASURE]
        lines.append(
            f"- Ranked minus {other}, paired, packages kept out ({len(held_out)} questions): {_signed(paired)}"
        )
    return [*lines, ""]


def _latency_section(report: SetReport, took: Mapping[str, float]) -> list[str]:
    rows = [[name, cell(report.systems[name].means()[_MEASURE]), f"{took[name]:.1f}"] for name in report.systems]
    return [
        "## Quality over time",
        "",
        "Median milliseconds of a query on the repository set, encoding the query included, texts not read:",
        "",
        *_table(["system", _MEASURE, "ms"], rows),
        "",
        "![Quality over latency](plots/latency.svg)",
        "",
    ]


def _ablation_section(tuned: Tuned) -> list[str]:
    lines = [
        "## What each signal brings",
        "",
        "NDCG@10 lost when the signal is left out and the weights are fitted anew; each package (or fold of a corpus) "
        "is measured with weights fitted without it; 90 % intervals (95 % in the first row). Positive: it helps. "
        "What brought nothing there, and is not in `search/ranking/weights.json` now, was removed afterwards.",
        "",
    ]
    for query_class in ("language", "symbol", "code"):
        commit, figures = tuned.get(query_class, ("", {}))
        sets = list(figures.get("all", {}))
        rows = [[name, *(_loss(values.get(part)) for part in sets)] for name, values in figures.items()]
        head = f"Class *{query_class}*, measured at commit {commit} (first row: the value with all signals):"
        lines += [head, "", *_table(["", *sets], rows), ""]
    return [*lines, "![Ablation](plots/ablation.svg)", ""]


def _failure_section(report: SetReport) -> list[str]:
    rows = [
        [
            each.question.text.replace("\n", " ")[:110].replace("|", "\\|"),
            each.question.answers[0].path,
            str(each.rank or "–"),
            str(each.bm25 or "–"),
            str(each.vectors or "–"),
            each.first.partition("/")[2],
            each.cause,
        ]
        for each in failures(report)
    ]
    head = ["question", "answer", "rank", "by words", "by vectors", "first instead", "cause"]
    return ["## The twenty worst failures", "", *_table(head, rows), ""]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]


def _signed(each: Estimate) -> str:
    return f"{each.value:+.3f} [{each.low:+.3f}, {each.high:+.3f}]"


def _loss(value: Sequence[float] | None) -> str:
    return f"{value[0]:+.4f} [{value[1]:+.4f}, {value[2]:+.4f}]" if value else "–"


# plots


def plot(reports: Sequence[SetReport], took: Mapping[str, float], tuned: Tuned) -> None:
    """Draw the plots as SVG on a white ground, so that they can be read on any page."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update(
        {"svg.hashsalt": "fathom", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    )
    PLOTS.mkdir(parents=True, exist_ok=True)
    _plot_sets(reports)
    _plot_latency(reports[-1], took)
    exits = exits_report.last("exits")
    if exits is not None and "speed" in exits:
        exits_report.plot(exits, _save, list(_COLOURS.values())[::-1])
    if tuned:
        _plot_ablation(tuned)


def _plot_sets(reports: Sequence[SetReport]) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 3.4))
    width = 0.8 / len(SYSTEMS)
    for place, name in enumerate(SYSTEMS):
        means = [report.systems[name].means()[_MEASURE] for report in reports]
        where = [each + place * width for each in range(len(reports))]
        errors = [[each.value - each.low for each in means], [each.high - each.value for each in means]]
        values = [each.value for each in means]
        axes.bar(where, values, width, yerr=errors, capsize=2, color=_COLOURS[name], label=name)
    axes.set_xticks(
        [each + 1.5 * width for each in range(len(reports))], [report.name.replace(" ", "\n", 1) for report in reports]
    )
    axes.set_ylabel(_MEASURE)
    axes.set_ylim(0, 1)
    axes.legend(ncols=len(SYSTEMS), frameon=False, loc="upper center", bbox_to_anchor=(0.5, 1.16))
    _save(figure, "sets")


def _plot_latency(report: SetReport, took: Mapping[str, float]) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(5, 3.2))
    for name, judged in report.systems.items():
        mean = judged.means()[_MEASURE]
        error = [[mean.value - mean.low], [mean.high - mean.value]]
        axes.errorbar(took[name], mean.value, yerr=error, fmt="o", capsize=3, color=_COLOURS[name])
        axes.annotate(name, (took[name], mean.value), textcoords="offset points", xytext=(7, 4))
    axes.set_xlabel("ms a query (median, encoding included)")
    axes.set_ylabel(_MEASURE)
    axes.set_xlim(left=0)
    _save(figure, "latency")


def _plot_ablation(tuned: Tuned) -> None:
    import matplotlib.pyplot as plt

    figures = {name: values["questions"] for name, values in tuned["language"][1].items() if "questions" in values}
    figures.pop("all", None)
    ordered = sorted(figures.items(), key=lambda each: each[1][0])
    figure, axes = plt.subplots(figsize=(6, 0.24 * len(ordered) + 1))
    values = [each[0] for _, each in ordered]
    errors = [[each[0] - each[1] for _, each in ordered], [each[2] - each[0] for _, each in ordered]]
    axes.barh([name for name, _ in ordered], values, xerr=errors, capsize=2, color=_COLOURS["ranked"])
    axes.axvline(0, color="#333333", linewidth=0.8)
    axes.set_xlabel("NDCG@10 lost without the signal, repository questions")
    _save(figure, "ablation")


def _save(figure: Any, name: str) -> None:
    import matplotlib.pyplot as plt

    figure.tight_layout()
    figure.savefig(PLOTS / f"{name}.svg", facecolor="white", metadata={"Date": None})
    plt.close(figure)


def last_tuned() -> Tuned:
    """Return the newest ablation of each query class by the tuning program, with the commit it was measured at."""
    results = [json.loads(path.read_text(encoding="utf-8")) for path in RESULTS.glob("tune-*.json")]
    found: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for content in sorted(results, key=lambda each: str(each["machine"]["date"])):
        for query_class in QueryClass:
            figures = content.get(query_class.value, {})
            if len(figures) > 1:
                found[query_class.value] = (content["machine"]["commit"], figures)
    return found


def main() -> None:
    """Measure, plot and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the text sets")
    data = parser.parse_args().data
    if not data.is_dir():
        raise UsageError(f"the folder of sets {data} does not exist; set FATHOM_DATA")
    settings = Settings()
    encoder = load_encoder(settings)
    reports = measure(settings, encoder, data)
    took, tuned = latencies(settings, encoder), last_tuned()
    plot(reports, took, tuned)
    write(reports, took, tuned)
    print(f"written to {DOCS / 'evaluation.md'}")


if __name__ == "__main__":
    main()
