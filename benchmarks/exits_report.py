"""The exits' part of `docs/evaluation.md`: tables and the plot of quality over speed, from the last measurement."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.machine import RESULTS

_MEASURE = "MRR@10"
PLOT = "exits"
_BEGINNINGS = {"truncated": "truncation", "first block": "the first block"}


def last(name: str) -> Mapping[str, Any] | None:
    """Return the newest result of a program, by its date."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in RESULTS.glob(f"{name}-*.json")]
    return max(found, key=lambda each: str(each["machine"]["date"]), default=None)


def lines(exits: Mapping[str, Any] | None, aggregation: Mapping[str, Any] | None) -> list[str]:
    """Return the section; nothing where nothing was measured."""
    if exits is None:
        return []
    where = exits["machine"]
    text = [
        "## The encoder's exits",
        "",
        "Vectors alone, every code at the exit named and the queries at the deepest; `base` is all-MiniLM-L6-v2 in the "
        f"same 8 bits. Docstrings {'taken out' if exits['stripped'] else 'as they stand'}; `heldout-…` are packages "
        "that no training saw, 500 queries and 1,000 candidates a language. Measured on "
        f"{where['date'][:10]}, commit {where['commit']} (`python -m benchmarks.exits`){_rest(exits)}.",
        "",
    ]
    names = list(next(iter(exits["sets"].values())))
    head = ["set", *names]
    rows = [[name, *(_cell(found[system][_MEASURE]) for system in names)] for name, found in exits["sets"].items()]
    means = mean_of(exits, _MEASURE)
    rows.append(["mean", *(f"**{means[system]:.3f}**" for system in names)])
    text += [f"{_MEASURE}:", "", *_table(head, rows), ""]
    if "speed" in exits:
        rows = [[name, f"{row['tokens_per_second']:,}", str(row["ratio"])] for name, row in exits["speed"].items()]
        text += ["Tokens a second, tokenising included, and as a ratio to the base model's float32:", ""]
        text += [*_table(["exit", "tokens/s", "ratio"], rows), "", f"![Quality over speed](plots/{PLOT}.svg)", ""]
    return text + (_aggregation(aggregation) if aggregation else [])


def _rest(exits: Mapping[str, Any]) -> str:
    """Say what was taken from earlier results, and from when these are."""
    parts = exits.get("rest", ())
    return "".join(f"; {', '.join(part['systems'])}: {part['date'][:10]}, commit {part['commit']}" for part in parts)


def _aggregation(figures: Mapping[str, Any]) -> list[str]:
    return [line for group in figures["groups"] for line in _group(group)]


def _group(figures: Mapping[str, Any]) -> list[str]:
    lengths = figures["lengths"]
    ways = [way for way in next(iter(lengths.values())) if way != "queries"]
    together = " together" if len(figures["sets"]) > 1 else ""
    text = [
        f"Units of several blocks, {', '.join(figures['sets'])}{together}, {_MEASURE} by the length of the answer in "
        f"tokens; in brackets the paired difference to {_BEGINNINGS[ways[0]]} with its 95 % interval:",
        "",
    ]
    rows = []
    for name, found in lengths.items():
        cells = [f"{found[way][_MEASURE][0]:.3f} ({_gain(found[way]['above the beginning'])})" for way in ways]
        rows.append([name, str(found["queries"]), *cells])
    return [*text, *_table(["tokens", "queries", *ways], rows), ""]


def mean_of(exits: Mapping[str, Any], measure: str) -> dict[str, float]:
    """Return each system's mean over the held-out sets."""
    held = {name: found for name, found in exits["sets"].items() if name.startswith("heldout-")} or exits["sets"]
    names = list(next(iter(held.values())))
    return {name: sum(found[name][measure][0] for found in held.values()) / len(held) for name in names}


def plot(exits: Mapping[str, Any], save: Any, colours: Sequence[str]) -> None:
    """Draw quality over speed; `save` takes the figure and its name."""
    import matplotlib.pyplot as plt

    means, speed = mean_of(exits, _MEASURE), exits["speed"]
    figure, axes = plt.subplots(figsize=(5.5, 3.4))
    for colour, family in zip(colours, ("ours", "base"), strict=False):
        names = [name for name in means if name.startswith(family) and name in speed]
        places = sorted((speed[name]["tokens_per_second"], means[name], name) for name in names)
        axes.plot([place[0] for place in places], [place[1] for place in places], "o-", color=colour)
        for rate, quality, name in places:
            axes.annotate(name, (rate, quality), textcoords="offset points", xytext=(6, 5))
    axes.axhline(means["BM25"], color="#777777", linewidth=0.8, linestyle="--")
    axes.annotate("BM25", (axes.get_xlim()[1], means["BM25"]), ha="right", va="bottom", color="#555555")
    axes.set_xscale("log")
    axes.set_xlabel("tokens a second, 2 cores, tokenising included")
    axes.set_ylabel(f"{_MEASURE}, mean of the held-out sets")
    save(figure, PLOT)


def _cell(value: Sequence[float]) -> str:
    return f"{value[0]:.3f} [{value[1]:.3f}, {value[2]:.3f}]"


def _gain(value: Sequence[float]) -> str:
    return f"{value[0]:+.3f} [{value[1]:+.3f}, {value[2]:+.3f}]"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]
