"""Whether rewriting brings code closer in style to what is written for a query, and what the normal form helps find.

`FATHOM_DATA=… python -m benchmarks.style [--plot] [--retrieval]` reads `mbpp-recorded` (texts, queries, one exemplar a
query, one rewriting a text) and, for retrieval, `java-csharp-dev`. Names are weighed by their rarity among all codes
that a measurement compares. Nothing here is imported by the product.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import write_result
from indexer.encoder.interface import Encoder
from indexer.encoder.onnx import OnnxEncoder
from indexer.settings import Settings
from indexer.style.normalise import normalise
from indexer.style.similarity import StyleSimilarity, Variant, compare
from indexer.style.snippets import Snippet, read
from indexer.style.weights import counted
from search.evaluation.evaluate import evaluate_set
from search.evaluation.measures import Estimate, estimate
from search.evaluation.measures import compare as paired
from search.evaluation.sets import TextSet, read_set
from search.evaluation.systems import SYSTEMS

PLOT = Path(__file__).parents[1] / "docs" / "plots" / "style.svg"
_PARTS = ("similarity", "variables", "apis", "tree")
_DECILES = tuple(range(0, 101, 10))
_SYSTEMS = {name: SYSTEMS[name] for name in ("bm25", "vectors")}
# Read on a white page and on a dark one.
_INK = "#7d8590"
_INKED = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")

Form = Callable[[str, str], str]
FORMS: Mapping[str, Form] = {"as written": lambda text, _: text, "normal form": normalise}


def recorded(folder: Path) -> list[tuple[str, str, str]]:
    """Return, by query, its exemplar, the code that answers it, and the rewriting of that code."""
    found = _set(folder)
    exemplars = {row["_id"]: row["exemplars"][0] for row in _rows(folder / "exemplars.jsonl")}
    rewritten = {row["_id"]: row["rewritten"][0] for row in _rows(folder / "rewritten.jsonl")}
    answers = {query: next(iter(grades)) for query, grades in found.relevance.items()}
    return [(exemplars[query], found.texts[code].text, rewritten[code]) for query, code in answers.items()]


def styles(triples: Sequence[tuple[str, str, str]], form: Form, variant: Variant) -> dict[str, Any]:
    """Return how alike exemplars are to codes and to rewritings, and by how much more to these, query by query.

    `of another query` compares each exemplar with the code and the rewriting of the next query: what of the gain is
    there whatever the code does.
    """
    snippets = [[read(form(text, "python"), "python") for text in triple] for triple in triples]
    names = counted(snippet for triple in snippets for snippet in triple)

    def against(exemplar: Snippet, code: Snippet) -> StyleSimilarity:
        return compare(exemplar, code, variant=variant, frequencies=names)

    following = [*snippets[1:], snippets[0]]
    figures: dict[str, Any] = {}
    for title, others in (("of the query", snippets), ("of another query", following)):
        original = [against(mine[0], other[1]) for mine, other in zip(snippets, others, strict=True)]
        rewritten = [against(mine[0], other[2]) for mine, other in zip(snippets, others, strict=True)]
        figures[title] = {part: _means(original, rewritten, part) for part in _PARTS}
        gains = [new.similarity - old.similarity for old, new in zip(original, rewritten, strict=True)]
        figures[title]["gains"] = _distribution(gains)
    return figures


def _means(original: Iterable[StyleSimilarity], rewritten: Iterable[StyleSimilarity], part: str) -> dict[str, Any]:
    """Return the means of a part, over the pairs in which both sides have it."""
    values = [(getattr(old, part), getattr(new, part)) for old, new in zip(original, rewritten, strict=True)]
    both = [(old, new) for old, new in values if old is not None and new is not None]
    return {
        "pairs": len(both),
        "to the code": _row(estimate([old for old, _ in both])),
        "to the rewriting": _row(estimate([new for _, new in both])),
        "difference": _row(estimate([new - old for old, new in both])),
    }


def _distribution(gains: list[float]) -> dict[str, Any]:
    counts, edges = np.histogram(gains, bins=np.linspace(-1, 1, 41))
    return {
        "share above 0": round(float(np.mean(np.array(gains) > 0)), 4),
        "share below 0": round(float(np.mean(np.array(gains) < 0)), 4),
        "deciles": [round(float(each), 4) for each in np.percentile(gains, _DECILES)],
        "histogram": [[round(float(low), 2), int(count)] for low, count in zip(edges, counts, strict=False) if count],
    }


def retrieval(folder: Path, encoder: Encoder, query_language: str | None, exemplars: Mapping[str, str]) -> Any:
    """Return what BM25 alone and vectors alone gain on a set by the normal form of both sides.

    Queries are in `query_language`, None for words; a query's exemplar, where it has one, is written below it.
    """
    with tempfile.TemporaryDirectory() as temporary:
        values = {}
        for name, form in FORMS.items():
            target = Path(temporary) / name / folder.name
            _write(_set(folder), target, form, query_language, exemplars)
            settings = Settings(cache=Path(temporary) / "cache")
            values[name] = evaluate_set(target, settings, encoder, systems=_SYSTEMS).systems
    plain, normal = (values[name] for name in FORMS)
    return {
        system: {
            measure: {
                **{name: _row(found[system].means()[measure]) for name, found in values.items()},
                "difference": _row(paired(normal[system].values[measure], plain[system].values[measure])),
            }
            for measure in ("MRR@10", "NDCG@10", "R@10")
        }
        for system in _SYSTEMS
    }


def _write(found: TextSet, target: Path, form: Form, language: str | None, exemplars: Mapping[str, str]) -> None:
    """Write a set again, its codes in a form."""
    target.mkdir(parents=True)
    texts = [
        {"_id": text.id, "text": form(text.text, text.language) or text.text, "metadata": {"language": text.language}}
        for text in found.texts.values()
    ]
    queries = []
    for query, said in found.queries.items():
        text = form(said, language) if language else said
        if query in exemplars:
            text = f"{text}\n{form(exemplars[query], 'python')}"
        queries.append({"_id": query, "text": text})
    for name, rows in (("corpus", texts), ("queries", queries)):
        (target / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    lines = [f"{query}\t{text}\t{grade}" for query, grades in found.relevance.items() for text, grade in grades.items()]
    (target / "qrels.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *lines]) + "\n", encoding="utf-8")


def plot(figures: Mapping[str, Any], target: Path = PLOT) -> None:
    """Draw how much more alike an exemplar is to the rewriting than to the code, as written and in the normal form."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    style: dict[Any, Any] = dict.fromkeys(_INKED, _INK) | {"svg.hashsalt": "fathom", "font.size": 9}
    with mpl.rc_context(style):
        figure, panels = plt.subplots(1, len(figures), figsize=(4.2 * len(figures), 3.2), sharey=True, squeeze=False)
        for axes, (name, measured) in zip(panels[0], figures.items(), strict=True):
            gains = measured["of the query"]["gains"]
            low, counts = zip(*gains["histogram"], strict=True)
            axes.bar(low, counts, width=0.05, align="edge", color="#3b82c4")
            axes.axvline(0, color=_INK, linewidth=0.8)
            axes.set_title(f"{name}: {gains['share above 0']:.0%} above 0", fontsize=10)
            axes.set_xlabel("CSSim(exemplar, rewriting) − CSSim(exemplar, code)")
            axes.spines[["top", "right"]].set_visible(False)
        panels[0][0].set_ylabel("queries")
        figure.tight_layout()
        target.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(target, transparent=True, metadata={"Date": None})
        plt.close(figure)


def _set(folder: Path) -> TextSet:
    found = read_set(folder)
    if not isinstance(found, TextSet):
        raise SystemExit(f"{folder} is no set of texts")
    return found


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _row(each: Estimate) -> list[float]:
    return [round(value, 4) for value in (each.value, each.low, each.high)]


def main() -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("FATHOM_DATA"), help="folder of the sets")
    parser.add_argument(
        "--plot", action="store_true", help=f"draw the distribution of the gains: docs/plots/{PLOT.name}"
    )
    parser.add_argument("--retrieval", action="store_true", help="measure retrieval in the normal form too (minutes)")
    arguments = parser.parse_args()
    if arguments.data is None:
        raise SystemExit("name the folder of the sets with --data or FATHOM_DATA")
    mbpp = arguments.data / "mbpp-recorded"
    triples = recorded(mbpp)
    by_variant = {
        variant.value: {name: styles(triples, form, variant) for name, form in FORMS.items()} for variant in Variant
    }
    figures: dict[str, Any] = {"style": by_variant}
    if arguments.retrieval:
        encoder = OnnxEncoder.load()
        exemplars = {row["_id"]: row["exemplars"][0] for row in _rows(mbpp / "exemplars.jsonl")}
        figures["retrieval"] = {
            "mbpp-recorded": retrieval(mbpp, encoder, None, {}),
            "mbpp-recorded with exemplars": retrieval(mbpp, encoder, None, exemplars),
            "java-csharp-dev": retrieval(arguments.data / "java-csharp-dev", encoder, "java", {}),
        }
    if arguments.plot:
        plot(by_variant[Variant.PAPER])
    print(json.dumps(figures, indent=2))
    print(write_result("style", figures))


if __name__ == "__main__":
    main()
