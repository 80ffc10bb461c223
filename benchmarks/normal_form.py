"""How often the normal form makes one of two texts that mean the same, and of two that do not; and how fast it is.

The pairs are written by hand and stand in `tests/data/normal-form`. Nothing here is imported by the product.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks.machine import write_result
from indexer.style.normalise import normalise

PAIRS = Path(__file__).parents[1] / "tests" / "data" / "normal-form"


def pairs(name: str) -> list[dict[str, str]]:
    """Return the pairs of one file: `left` and `right`, with their language and what was changed."""
    lines = (PAIRS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def judge(name: str) -> dict[str, Any]:
    """Return how many pairs of a file have one normal form, in all and by language, and which are against its name."""
    rows = pairs(name)
    equal = [normalise(row["left"], row["language"]) == normalise(row["right"], row["language"]) for row in rows]
    languages: dict[str, list[bool]] = defaultdict(list)
    for row, one in zip(rows, equal, strict=True):
        languages[row["language"]].append(one)
    wrong = [
        f"{row['language']} {row['name']}: {row['change']}"
        for row, one in zip(rows, equal, strict=True)
        if one != (name == "equal")
    ]
    return {
        "pairs": len(rows),
        "equal": sum(equal),
        "share": round(sum(equal) / len(rows), 4),
        "languages": {language: [sum(each), len(each)] for language, each in sorted(languages.items())},
        "wrong": wrong,
    }


def speed(rounds: int) -> dict[str, float]:
    """Return MB a processor second on one core, by language, over the texts of all pairs."""
    texts: dict[str, list[str]] = defaultdict(list)
    for row in pairs("equal") + pairs("different"):
        texts[row["language"]] += [row["left"], row["right"]]
    found = {}
    for language, each in sorted(texts.items()):
        start = time.process_time()
        for text in each * rounds:
            normalise(text, language)
        size = rounds * sum(len(text.encode("utf-8")) for text in each)
        found[language] = round(size / (time.process_time() - start) / 1e6, 3)
    return found


def main() -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often every text is brought into form for its time")
    arguments = parser.parse_args()
    figures = {"equal": judge("equal"), "different": judge("different"), "mb_per_second": speed(arguments.rounds)}
    print(json.dumps(figures, indent=2))
    print(write_result("normal-form", figures))


if __name__ == "__main__":
    main()
