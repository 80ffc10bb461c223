"""Evaluation sets of a few lines, and the sources they ask about. No test is here."""

import json

from search.evaluation.sources import Source, mark

# Filler that makes a text long and says nothing: its words occur nowhere else.
LONG = "\n".join(f"    filler_{n} = {n}" for n in range(60))
TEXTS = {
    "near": ("def zebra(zebra):\n    return zebra + zebra\n", "python"),
    "far": (f"def gallop(a, b):\n    zebra = a\n{LONG}\n    return b\n", "python"),
    "documented": ('def product(a, b):\n    """Tell what the platypus said."""\n    return a * b\n', "python"),
    "rust": ("fn quokka() -> u32 {\n    7\n}\n", "rust"),
}
QUERIES = {"q1": "zebra", "q2": "platypus", "q3": "quokka"}
# BM25 finds "near" before "far".
QRELS = [("q1", "far", "1"), ("q1", "near", "0"), ("q2", "documented", "1"), ("q3", "rust", "2"), ("q3", "near", "1")]

CIRCLE = """def grow(zebra):
    return zebra + zebra


def measure_extent(radius):
    zebra = 3.14159
    half = radius * 2
    rest = half - radius
    return zebra * rest * rest
"""
PIPE = """package pipe

// Drain empties what is left.
func Drain(left int) int {
	return left - 1
}
"""


def source(repository, language, *, held_out=False):
    return {
        "repository": repository,
        "registry": "pypi",
        "package": repository,
        "version": "1.0",
        "language": language,
        "licence": "MIT",
        "held_out": held_out,
    }


def answer(repository, path, start_line, end_line, symbol=""):
    return {
        "repository": repository,
        "path": path,
        "start_line": start_line,
        "end_line": end_line,
        "symbol": symbol,
    }


SOURCES = [source("shapes", "python"), source("pipes", "go", held_out=True)]
FILES = {"shapes": {"lib/circle form.py": CIRCLE}, "pipes": {"pipe.go": PIPE}}
MEASURE = answer("shapes", "lib/circle form.py", 5, 9, "measure_extent")
QUESTIONS = [
    # Of the two functions that say the word, the first is found first and the second is the answer.
    {"_id": "k1", "text": "zebra", "kind": "behaviour", "answers": [MEASURE]},
    {"_id": "k2", "text": "the extent of a ring", "kind": "symbol", "answers": [MEASURE]},
    {"_id": "k3", "text": "remove what remains", "kind": "behaviour", "answers": [answer("pipes", "pipe.go", 4, 6)]},
]


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def text_set(folder, texts=TEXTS, queries=QUERIES, qrels=QRELS):
    """Write a set in BEIR layout; return its folder."""
    folder.mkdir(parents=True)
    corpus = [{"_id": key, "text": text, "metadata": {"language": language}} for key, (text, language) in texts.items()]
    write_rows(folder / "corpus.jsonl", corpus)
    write_rows(folder / "queries.jsonl", [{"_id": key, "text": text} for key, text in queries.items()])
    lines = ["query-id\tcorpus-id\tscore", *("\t".join(row) for row in qrels)]
    (folder / "qrels.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def repository_set(folder, sources=SOURCES, questions=QUESTIONS):
    """Write a repository set; return its folder."""
    folder.mkdir(parents=True)
    (folder / "sources.json").write_text(json.dumps(sources), encoding="utf-8")
    write_rows(folder / "questions.jsonl", questions)
    return folder


def lay_out(layout, files=FILES, sources=SOURCES):
    """Write the files of the sources below a folder, as whole; return the folder."""
    for each in sources:
        folder = layout / each["repository"]
        for path, text in files[each["repository"]].items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        mark(Source.model_validate(each), folder)
    return layout
