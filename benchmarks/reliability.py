"""Draw how often first hits are right, by how sure the answer was: what `benchmarks.calibrate` measured last.

`python -m benchmarks.reliability` writes `docs/plots/reliability.svg`, of the packages kept out. Measures nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.exits_report import last
from indexer.errors import UsageError

PLOT = Path(__file__).parents[1] / "docs" / "plots" / "reliability.svg"
# Read on a white page and on a dark one.
_INK = "#7d8590"
_INKED = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
_COLOURS = ("#c9772b", "#3b82c4")
_TITLES = {"language": "questions in words", "symbol": "names"}
# The area of a mark, in points², for each case in it.
_AREA = 1.5
# The line leaves out parts of fewer cases: one query more or less moves them too far.
_MANY = 10
_KEPT_OUT = "kept out"
_SHARES = ("auc answerable", "auc first hit right", "right hits doubted", "unanswerable doubted")


def panels(figures: Mapping[str, Any]) -> dict[str, dict[str, Mapping[str, Any]]]:
    """Return what was measured on packages kept out: {class of query: {depth: figures}}."""
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for name, measured in figures.items():
        if isinstance(measured, Mapping) and _KEPT_OUT in measured:
            depth, _, query_class = name.removeprefix("depth ").partition(", ")
            found.setdefault(query_class, {})[depth] = measured[_KEPT_OUT]
    return found


def lines(figures: Mapping[str, Any] | None) -> list[str]:
    """Return the section of the report; nothing where nothing was measured."""
    if figures is None:
        return []
    where = figures["machine"]
    text = [
        "## How sure an answer is",
        "",
        "The probability that the first hit is relevant, on the packages kept out, asked their own questions and names "
        f"and those of another package of their language. Measured on {where['date'][:10]}, commit {where['commit']} "
        "(`python -m benchmarks.calibrate`).",
        "",
        "![What is said against what is right](plots/reliability.svg)",
        "",
        "| depth, class | queries | AUC, answered | AUC, first is right | right, doubted | unanswerable, doubted |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, measured in figures.items():
        if name != "machine":
            found = measured[_KEPT_OUT]
            shares = [f"{found[key]:.3f}" for key in _SHARES]
            text.append(f"| {name} | {found['cases']} | {' | '.join(shares)} |")
    return [*text, ""]


def plot(figures: Mapping[str, Any], target: Path = PLOT) -> None:
    """Draw a panel for each class of query; raise UsageError for figures that are none of a calibration."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    found = panels(figures)
    if not found:
        raise UsageError("these figures hold nothing of packages kept out: run python -m benchmarks.calibrate")
    style: dict[Any, Any] = dict.fromkeys(_INKED, _INK) | {"svg.hashsalt": "fathom", "font.size": 9}
    with mpl.rc_context(style):
        figure, all_axes = plt.subplots(1, len(found), figsize=(4.2 * len(found), 3.9), sharey=True, squeeze=False)
        for axes, (query_class, depths) in zip(all_axes[0], sorted(found.items()), strict=True):
            _panel(axes, _TITLES.get(query_class, query_class), depths)
        all_axes[0][0].set_ylabel("share of first hits that are right")
        figure.tight_layout()
        target.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(target, transparent=True, metadata={"Date": None})
        plt.close(figure)


def _panel(axes: Any, title: str, depths: Mapping[str, Mapping[str, Any]]) -> None:
    axes.plot([0, 1], [0, 1], color=_INK, linewidth=0.8, linestyle=":")
    for colour, (depth, measured) in zip(_COLOURS, sorted(depths.items()), strict=False):
        bins = [each for each in measured["reliability"] if each["cases"]]
        many = [each for each in bins if each["cases"] >= _MANY]
        axes.plot(*_places(many), color=colour, linewidth=1.4, label=f"vectors of depth {depth}")
        axes.scatter(*_places(bins), [_AREA * each["cases"] for each in bins], color=colour, alpha=0.75, linewidths=0)
    areas = " and ".join(f"{measured['auc answerable']:.3f}" for _, measured in sorted(depths.items()))
    axes.set_title(f"{title}: AUC {areas}", fontsize=10)
    axes.set_xlabel("probability that was said")
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper left")


def _places(bins: Sequence[Mapping[str, float]]) -> tuple[list[float], list[float]]:
    return [each["said"] for each in bins], [each["right"] for each in bins]


def main() -> None:
    """Draw."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    figures = last("calibrate")
    if figures is None:
        raise SystemExit("nothing was measured yet: run python -m benchmarks.calibrate")
    plot(figures)
    print("written:", PLOT)


if __name__ == "__main__":
    main()
