"""Which files are worth indexing, told by name and content; and bytes to text.

Nothing is opened here.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from fnmatch import translate
from functools import lru_cache

from indexer.types import SkipReason

# Name globs, lower case. `credentials.py` and the like are code: what is secret in them is redacted.
_PRIVATE_NAMES = """
.env .env.* .envrc *.env *.pem *.key *.p12 *.pfx *.pkcs12 *.jks *.keystore *.kdbx *.ppk *.asc *.ovpn *.tfstate
*.tfstate.backup .netrc _netrc .npmrc .pypirc .htpasswd .pgpass .my.cnf .git-credentials .dockercfg .s3cfg .boto
id_rsa id_dsa id_ecdsa id_ed25519 id_rsa.* id_dsa.* id_ecdsa.* id_ed25519.*
credentials credentials*.json credentials*.y*ml credentials*.xml credentials*.ini credentials*.toml credentials*.txt
credentials*.csv credentials*.db credentials*.properties credentials*.enc secrets.json secrets.y*ml secrets.toml
"""
_HARMLESS_NAMES = ".env.example .env.sample .env.template .env.dist .env.defaults example.env sample.env *.pub"
_GENERATED_NAMES = """
package-lock.json npm-shrinkwrap.json yarn.lock pnpm-lock.yaml bun.lock cargo.lock poetry.lock pdm.lock uv.lock
pipfile.lock composer.lock gemfile.lock go.sum flake.lock mix.lock pubspec.lock packages.lock.json podfile.lock
*.min.js *.min.mjs *.min.css *.js.map *.mjs.map *.cjs.map *.css.map *.ts.map *_pb2.py *_pb2_grpc.py *.pb.go
"""
_BINARY_ENDINGS = """
png jpg jpeg gif ico icns bmp webp tif tiff psd pdf doc docx xls xlsx ppt pptx odt zip gz tgz bz2 xz zst lz4 tar 7z
rar jar war ear class so dylib dll exe o obj a lib pyc pyo pyd wasm whl egg woff woff2 ttf otf eot mp3 mp4 m4a wav
ogg flac avi mov mkv webm sqlite sqlite3 db bin dat onnx npy npz pt pth ckpt safetensors parquet feather pkl pickle
"""
_GENERATED_MARK = re.compile(
    rb"(?m)^[^\w\n]{0,8}(?:@generated\b|auto-generated>|(?:Code g|G)enerated .{1,80}DO NOT EDIT)"
)
# Where git looks for a NUL, too.
_HEAD_BYTES = 8_192
# Marks of generated files stand in the first lines, after a licence at most.
_MARK_BYTES = 4_096
# Written lines of scripts and styles are far shorter on average than this.
_MINIFIED_LINE = 500
_SCRIPTS = (".js", ".mjs", ".cjs", ".css")
# Control characters that no text holds: all but bell, backspace, tab, line ends, form feed and escape.
_CONTROL = bytes(set(range(32)) - {7, 8, 9, 10, 12, 13, 27})
# A stray control character is a slip of an editor; every tenth one is no text.
_CONTROL_SHARE = 0.1
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_UTF32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)


def by_name(path: str) -> SkipReason | None:
    """Return why a file is not read, told by its name alone."""
    name = path.rpartition("/")[2].lower()
    if _globs(_PRIVATE_NAMES)(name) and not _globs(_HARMLESS_NAMES)(name):
        return SkipReason.SECRET
    if _globs(_GENERATED_NAMES)(name):
        return SkipReason.GENERATED
    _, dot, ending = name.rpartition(".")
    return SkipReason.BINARY if dot and ending in _endings() else None


def by_content(path: str, content: bytes) -> SkipReason | None:
    """Return why a file is not indexed, told by what is in it."""
    if not content.strip():
        return SkipReason.EMPTY
    if not content.startswith(_UTF16 + _UTF32) and _is_binary(content[:_HEAD_BYTES]):
        return SkipReason.BINARY
    if _GENERATED_MARK.search(content, 0, _MARK_BYTES) or _is_minified(path, content):
        return SkipReason.GENERATED
    return None


def decode(content: bytes) -> str:
    """Return a file's text: Unicode as its mark or its bytes say, else Windows-1252; never fails.

    What cannot be read, and NUL, is U+FFFD; there are no lone surrogates.
    """
    if content.startswith(_UTF32):
        text = content.decode("utf-32", "replace")
    elif content.startswith(_UTF16):
        text = content.decode("utf-16", "replace")
    else:
        text = _decode_bytes(content)
    return text.replace("\0", "\ufffd")


def _decode_bytes(content: bytes) -> str:
    text = content.decode("utf-8-sig", "replace")
    unreadable = text.count("\ufffd")
    if not unreadable:
        return text
    foreign = len(text) - len(text.encode("ascii", "ignore"))
    # More letters that make sense as UTF-8 than bytes that do not: a damaged file, not another encoding.
    return text if foreign > 2 * unreadable else content.decode("cp1252", "replace")


@lru_cache(maxsize=8)
def _globs(globs: str) -> Callable[[str], re.Match[str] | None]:
    return re.compile("|".join(translate(glob) for glob in globs.split())).match


@lru_cache(maxsize=1)
def _endings() -> frozenset[str]:
    return frozenset(_BINARY_ENDINGS.split())


def _is_binary(head: bytes) -> bool:
    if b"\0" in head:
        return True
    return len(head) - len(head.translate(None, _CONTROL)) > _CONTROL_SHARE * len(head)


def _is_minified(path: str, content: bytes) -> bool:
    if not path.lower().endswith(_SCRIPTS):
        return False
    return len(content) / (content.count(b"\n") + 1) > _MINIFIED_LINE
