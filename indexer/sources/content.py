"""Which files are worth indexing, told by name, size and content; and bytes to text."""

from __future__ import annotations

import codecs
import re
from fnmatch import fnmatch

from indexer.types import SkipReason

_SECRET_NAMES = (
    *(
        ".env",
        ".env.*",
        "*.pem",
        "*.key",
        "*.p12",
        "*.pfx",
        "*.jks",
        "*.keystore",
        "*.kdbx",
        ".netrc",
        "_netrc",
    ),
    *(".npmrc", ".pypirc", ".htpasswd", ".git-credentials", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519"),
    *("credentials", "credentials.json", "credentials.yml", "credentials.yaml", "credentials.xml"),
)
_HARMLESS = (".env.example", ".env.sample", ".env.template", ".env.dist")
_BINARY_ENDINGS = frozenset(
    [
        "png",
        "jpg",
        "jpeg",
        "gif",
        "ico",
        "bmp",
        "webp",
        "tiff",
        "pdf",
        "zip",
        "gz",
        "bz2",
        "xz",
        "zst",
        "tar",
        "7z",
        "rar",
        "jar",
        "war",
        "class",
        "so",
        "dylib",
        "dll",
        "exe",
        "o",
        "a",
        "lib",
        "pyc",
        "pyo",
        "whl",
        "egg",
        "woff",
        "woff2",
        "ttf",
        "otf",
        "eot",
        "mp3",
        "mp4",
        "wav",
        "ogg",
        "avi",
        "mov",
        "sqlite",
        "db",
        "bin",
        "dat",
        "onnx",
        "npy",
        "npz",
        "safetensors",
    ]
)
_GENERATED_NAMES = (
    *("package-lock.json", "yarn.lock", "pnpm-lock.yaml", "Cargo.lock", "poetry.lock", "uv.lock", "go.sum"),
    *(
        "composer.lock",
        "Gemfile.lock",
        "*.min.js",
        "*.min.css",
        "*.map",
        "*_pb2.py",
        "*_pb2_grpc.py",
        "*.pb.go",
    ),
)
_GENERATED_MARK = re.compile(rb"(?m)^[^\w\n]{0,6}(?:@generated\b|Code generated .{1,80}DO NOT EDIT)")
_HEAD = 8_192
_MARK_HEAD = 2_048
# Written lines of scripts and styles are far shorter on average than this.
_MINIFIED_LINE = 500
_CONTROL = bytes(set(range(32)) - {7, 8, 9, 10, 12, 13, 27})
_CONTROL_SHARE = 0.1


def by_name(path: str) -> SkipReason | None:
    """Return why a file is not read, told by its name alone."""
    name = path.rpartition("/")[2]
    if any(fnmatch(name, glob) for glob in _SECRET_NAMES) and name not in _HARMLESS:
        return SkipReason.SECRET
    if any(fnmatch(name, glob) for glob in _GENERATED_NAMES):
        return SkipReason.GENERATED
    return SkipReason.BINARY if name.rpartition(".")[2].lower() in _BINARY_ENDINGS and "." in name else None


def by_content(path: str, content: bytes) -> SkipReason | None:
    """Return why a file is not indexed, told by what is in it."""
    if not content.strip():
        return SkipReason.EMPTY
    head = content[:_HEAD]
    if not head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and _is_binary(head):
        return SkipReason.BINARY
    if _GENERATED_MARK.search(content[:_MARK_HEAD]) or _is_minified(path, content):
        return SkipReason.GENERATED
    return None


def decode(content: bytes) -> str:
    """Return the text of a file: UTF-8, UTF-16 with a mark, else Latin-1; never fails, no lone surrogates."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _is_binary(head: bytes) -> bool:
    if b"\0" in head:
        return True
    return len(head) - len(head.translate(None, _CONTROL)) > _CONTROL_SHARE * len(head)


def _is_minified(path: str, content: bytes) -> bool:
    if not path.endswith((".js", ".mjs", ".cjs", ".css")):
        return False
    return len(content) / (content.count(b"\n") + 1) > _MINIFIED_LINE
