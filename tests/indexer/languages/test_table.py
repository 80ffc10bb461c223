import pytest

from indexer.languages import LANGUAGES, by_name, detect
from indexer.languages.grammar import grammar_of

NAMES = [
    "python",
    "javascript",
    "typescript",
    "go",
    "java",
    "php",
    "ruby",
    "rust",
    "c",
    "c++",
    "c#",
    "kotlin",
    "scala",
    "swift",
    "bash",
    "elixir",
    "haskell",
    "lua",
    "zig",
    "sql",
    "html",
    "css",
    "markdown",
    "json",
    "yaml",
    "toml",
]


@pytest.mark.parametrize("name", ["", " ", "klingon", "py thon", "."])
def test_unknown_names_are_no_language(name: str) -> None:
    assert by_name(name) is None


@pytest.mark.parametrize(
    ("path", "head"),
    [
        ("", b""),
        ("README", b""),
        (".", b""),
        ("a.unknown", b"text"),
        ("py", b""),
        ("run", b"#!"),
        ("run", b"#!/usr/bin/env"),
        ("run", b"\xff\xfe#!/bin/sh"),
        ("run", b" #!/bin/sh"),
    ],
)
def test_unknown_files_are_no_language(path: str, head: bytes) -> None:
    assert detect(path, head) is None


def test_the_table_has_the_26_languages_once() -> None:
    assert sorted(language.name for language in LANGUAGES) == sorted(NAMES)


def test_names_aliases_and_endings_are_unambiguous() -> None:
    names = [name for language in LANGUAGES for name in (language.name, *language.aliases)]
    endings = [ending for language in LANGUAGES for ending in language.endings]
    assert len(names) == len(set(names))
    assert len(endings) == len(set(endings))


@pytest.mark.parametrize("name", NAMES)
def test_every_grammar_and_query_loads_once(name: str) -> None:
    language = by_name(name)
    assert language is not None
    assert grammar_of(language) is not None
    assert grammar_of(language) is grammar_of(language)


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("js", "javascript"),
        ("TS", "typescript"),
        ("tsx", "typescript"),
        (" py ", "python"),
        ("cpp", "c++"),
        ("cs", "c#"),
        ("csharp", "c#"),
        ("golang", "go"),
        ("sh", "bash"),
        ("yml", "yaml"),
        ("md", "markdown"),
    ],
)
def test_aliases(alias: str, name: str) -> None:
    language = by_name(alias)
    assert language is not None
    assert language.name == name


@pytest.mark.parametrize(
    ("path", "head", "name"),
    [
        ("a/b.py", b"", "python"),
        ("A.PY", b"", "python"),
        ("x.d.ts", b"", "typescript"),
        ("a\\b.tsx", b"", "typescript"),
        ("Rakefile", b"", "ruby"),
        ("Cargo.lock", b"", "toml"),
        ("a.h", b"int f(void);", "c"),
        ("a.h", b"#pragma once\nnamespace a {}", "c++"),
        ("config.yaml.tmpl", b"", "yaml"),
        ("run", b"#!/usr/bin/env python3\n", "python"),
        ("run", b"#!/usr/bin/env -S node --x\n", "javascript"),
        ("run", b"#! /bin/bash -e\n", "bash"),
        ("run", b"#!/usr/local/bin/ruby2.7\n", "ruby"),
        ("a.sh", b"#!/usr/bin/python\n", "bash"),
    ],
)
def test_detection(path: str, head: bytes, name: str) -> None:
    language = detect(path, head)
    assert language is not None
    assert language.name == name
