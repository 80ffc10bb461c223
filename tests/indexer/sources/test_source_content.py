"""What is worth indexing, by name and content, and bytes to text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.sources.content import decode
from indexer.sources.factory import open_source
from indexer.types import Skipped, SkipReason


def reason(root: Path, name: str, content: bytes) -> SkipReason | None:
    place = root / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    (entry,) = open_source(str(root), cache=root).entries()
    found = entry if isinstance(entry, Skipped) else entry.read()
    return found.reason if isinstance(found, Skipped) else None


@pytest.mark.parametrize(
    "name",
    [
        ".env",
        ".env.production",
        ".env.local",
        "prod.env",
        "server.pem",
        "tls.key",
        "id_rsa",
        "id_rsa.old",
        "id_ed25519",
        "credentials",
        "credentials.json",
        "aws_credentials.csv",
        "secrets.yaml",
        "client_secret.json",
        ".netrc",
        "a.keystore",
        "a.p12",
        "a.pfx",
        "a.jks",
        ".pypirc",
        ".git-credentials",
        "service-account.json",
        ".ssh/config",
        ".aws/config",
        "ID_RSA",
        "Server.PEM",
        ".htpasswd",
        "x.kdbx",
        "terraform.tfstate",
    ],
)
def test_files_that_hold_keys_are_not_read(tmp_path: Path, name: str) -> None:
    assert reason(tmp_path, name, b"x = 1\n") is SkipReason.SECRET


@pytest.mark.parametrize(
    "name",
    [
        ".env.example",
        ".env.sample",
        "env.py",
        "credentials.py",
        "credentials_test.go",
        "secrets.py",
        "id_generator.py",
        "idle.py",
        "id_map.ts",
        "keys.py",
        "key.rs",
        "environment.ts",
        "netrc.py",
        "credential_provider.rb",
        "secret_box.c",
    ],
)
def test_source_code_about_keys_is_read(tmp_path: Path, name: str) -> None:
    assert reason(tmp_path, name, b"x = 1\n") is None


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("credentials.md", b"x\n", None),
        ("lib.so", b"x", SkipReason.BINARY),
        ("a.tar.gz", b"x", SkipReason.BINARY),
        ("Makefile", b"x:\n", None),
        ("so/file", b"x\n", None),
        ("a.sql", b"-- Generated " + b"by a tool.  DO NOT EDIT!\n", SkipReason.GENERATED),
        ("a", b"\x7fELF\x02\x01\x01\0\0", SkipReason.BINARY),
        (".npmrc", b"registry=https://example.org/\n", None),
        (".npmrc", b"//example.org/:_auth" + b"Token=abc\n", SkipReason.SECRET),
        ("a.py", b"", SkipReason.EMPTY),
        ("a.py", b" \n\t\r\n", SkipReason.EMPTY),
        ("a.py", b"x\0y", SkipReason.BINARY),
        ("a.py", bytes(range(1, 9)) * 50, SkipReason.BINARY),
        ("a.png", b"text", SkipReason.BINARY),
        ("A.PNG", b"text", SkipReason.BINARY),
        ("a.py", "x = 1\n".encode("utf-16"), None),
        ("a.py", b"\xff\xfe\0\0" + "x".encode("utf-32-le"), None),
        ("a.py", b"x = 1  # \f\x1b[0m\n", None),
        ("a.py", "x = 'é'\n".encode("latin-1"), None),
        ("png", b"x = 1\n", None),
        ("yarn.lock", b"x\n", SkipReason.GENERATED),
        ("Cargo.lock", b"x\n", SkipReason.GENERATED),
        ("a.min.js", b"x\n", SkipReason.GENERATED),
        ("a.js.map", b"{}\n", SkipReason.GENERATED),
        ("roads.map", b"x = 1\n", None),
        ("a_pb2.py", b"x\n", SkipReason.GENERATED),
        (
            "a.go",
            b"// Code gener" + b"ated by protoc-gen-go. DO NOT EDIT.\npackage a\n",
            SkipReason.GENERATED,
        ),
        ("a.js", b"/**\n * @gener" + b"ated SignedSource<<x>>\n */\n", SkipReason.GENERATED),
        ("a.cs", b"// <auto-gener" + b"ated/>\n", SkipReason.GENERATED),
        ("a.py", b"MARK = '@gener" + b"ated'\n", None),
        ("a.py", b"HEADER = '''# This is a generated file!  Do not edit.'''\n", None),
        ("a.py", b"x = 1\n" * 1000 + b"# @gener" + b"ated\n", None),
        ("a.js", b"var a=1;" * 2000, SkipReason.GENERATED),
        ("a.js", b"var a = 1;\n" * 2000, None),
        ("a.py", b"x = [" + b"1, " * 5000 + b"]\n", None),
        ("a.js", b"var a=1;" * 20, None),
    ],
)
def test_contents(tmp_path: Path, name: str, content: bytes, expected: SkipReason | None) -> None:
    assert reason(tmp_path, name, content) is expected


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"x\r\ny", "x\r\ny"),
        (b"\xef\xbb\xbfx", "x"),
        ("é".encode("utf-16"), "é"),
        (b"\xff\xfe" + "é".encode("utf-16-le"), "é"),
        (b"\xfe\xff" + "é".encode("utf-16-be"), "é"),
        ("é".encode("latin-1"), "é"),
        ("漢字かな".encode() + b"\xff" + "漢字".encode(), "漢字かな\ufffd漢字"),
        (b"\x93quoted\x94", "\u201cquoted\u201d"),
        (b"a\0b", "a\ufffdb"),
        ("漢".encode("utf-32"), "漢"),
        (b"", ""),
    ],
)
def test_decoding(content: bytes, text: str) -> None:
    assert decode(content) == text


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"\xff\xfe\0\0"]),
)
def test_no_bytes_break_decoding(content: bytes, mark: bytes) -> None:
    text = decode(mark + content)
    assert text == decode(mark + content)
    text.encode()


@given(st.text())
def test_utf8_comes_back(text: str) -> None:
    clean = text.encode("utf-8", "ignore").decode().replace("\0", "").removeprefix("\ufeff")
    assert decode(clean.encode()) == clean
