"""What a file's or folder's name alone tells about it. Nothing here reads a content."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from indexer.types import SkipReason


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


VERSION_CONTROL = frozenset((".git", ".hg", ".svn", ".bzr", ".jj", ".pijul", "CVS", "_darcs"))

# Endings that texts have too (bin, dat, db, lib, mo, obj, …) are not here: what is inside decides.
_BINARY_ENDINGS = _words(
    """7z a aac aar apk avi avif blend bmp bz2 cab ckpt class cur deb der dex dll dmg doc docx dylib ear egg eot
    exe fbx feather flac gif glb gz h5 icns ico iso jar jpeg jpg lz4 lzma m4a mkv mov mp3 mp4 mpeg mpg msi npy
    npz nupkg o odp ods odt ogg onnx otf parquet pdb pdf pickle pkl png ppt pptx psd pt pyc pyd pyo rar rpm
    safetensors so sqlite sqlite3 tar tgz tif tiff ttc ttf war wasm wav webm webp whl wmv woff woff2 xls xlsx xz
    zip zst"""
)

_GENERATED_NAMES = _words(
    """bun.lock bun.lockb cargo.lock composer.lock deno.lock flake.lock gemfile.lock go.sum gradle.lockfile mix.lock
    npm-shrinkwrap.json package-lock.json package.resolved packages.lock.json pdm.lock pipfile.lock pixi.lock
    pnpm-lock.yaml podfile.lock poetry.lock pubspec.lock uv.lock yarn.lock"""
)
_GENERATED_ENDINGS = (
    *(".min.js", ".min.mjs", ".min.css", ".js.map", ".css.map", ".mjs.map", ".cjs.map", ".ts.map"),
    *("_pb2.py", "_pb2.pyi", "_pb2_grpc.py", ".pb.go", ".pb.gw.go", ".pb.h", ".pb.cc", "_pb.js", "_pb.d.ts"),
    *(".g.dart", ".freezed.dart", ".designer.cs", ".g.cs", ".g.i.cs"),
)

_SECRET_ENDINGS = (
    *(".pem", ".key", ".p12", ".pfx", ".pkcs12", ".jks", ".keystore", ".kdb", ".kdbx", ".ppk", ".ovpn"),
    *(".tfstate", ".tfstate.backup", ".agekey", ".asc.key"),
)
_SECRET_NAMES = _words(
    """.netrc _netrc .pgpass .htpasswd .pypirc .git-credentials .dockercfg .dockerconfigjson .boto .s3cfg .my.cnf
    .credentials .vault-token .terraformrc"""
)
_SECRET_FOLDERS = frozenset((".ssh", ".gnupg", ".aws"))
_ENVIRONMENT_SAMPLE = re.compile(r"example|sample|template|dist|default|schema")
# Private keys, and files called credentials or secrets that are settings: credentials.py is source code.
_SECRET_NAME = re.compile(
    r"id_(?:rsa|dsa|ecdsa|ed25519|xmss)(?:[_.-].*)?"
    r"|(?:(?:[\w-]+[_.-])?credentials?(?:[_.-][\w-]+)?|(?:client[_-]?)?secrets?)(?:\.[\w-]+)*"
    r"|service[_-]?account[\w.-]*\.json"
)
_CODE_ENDING = re.compile(
    r".*\.(?:py|pyi|js|mjs|cjs|jsx|tsx?|go|java|kts?|scala|rb|rs|php|cs|cc?|cpp|hh?|hpp|swift|ex|exs|hs|lua|zig"
    r"|sh|bash|sql|html?|css|scss|md|rst|vue|svelte|proto|tf|pub)"
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something is not indexed."""

    reason: SkipReason
    detail: str = ""


def refuse_name(path: str) -> Refusal | None:
    """Return why a file is not read, told by its path alone; None: read it."""
    *folders, name = path.lower().split("/")
    if _is_secret(name) or not _SECRET_FOLDERS.isdisjoint(folders):
        return Refusal(SkipReason.SECRET, "its name is one of files that hold keys")
    if name in _GENERATED_NAMES or name.endswith(_GENERATED_ENDINGS):
        return Refusal(SkipReason.GENERATED, "its name is one of generated files")
    stem, dot, ending = name.rpartition(".")
    if dot and stem and ending in _BINARY_ENDINGS:
        return Refusal(SkipReason.BINARY, f".{ending}")
    return None


def _is_secret(name: str) -> bool:
    if name == ".env" or name.startswith((".env.", ".envrc")) or name.endswith(".env"):
        return _ENVIRONMENT_SAMPLE.search(name) is None
    if name in _SECRET_NAMES or name.endswith(_SECRET_ENDINGS):
        return True
    return _SECRET_NAME.fullmatch(name) is not None and _CODE_ENDING.fullmatch(name) is None


# Folders whose name leaves no doubt.
_VENDORED_FOLDERS = _words(
    """node_modules bower_components jspm_packages site-packages .venv .virtualenv third_party third-party
    thirdparty 3rdparty .bundle .yarn .pnpm-store elm-stuff .eggs pods carthage .cargo-vendor"""
)
_GENERATED_FOLDERS = _words(
    """__pycache__ .tox .nox .mypy_cache .pytest_cache .ruff_cache .hypothesis .ipynb_checkpoints .gradle .next
    .nuxt .svelte-kit .parcel-cache .turbo .angular .terraform .serverless .dart_tool .stack-work dist-newstyle
    .zig-cache zig-cache zig-out .sass-cache .nyc_output .cache .fathom"""
)


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What shows that a folder, which may also hold source, is made: names in it, names beside it."""

    reason: SkipReason
    inside: str = ".*"
    beside: str = ""


# Words that are also used for source. A folder is skipped when a name in it and one beside it say so.
_DOUBTFUL: Mapping[str, tuple[_Evidence, ...]] = {
    "vendor": (
        _Evidence(SkipReason.VENDORED, r"modules\.txt|autoload\.php|bundle|cache"),
        _Evidence(SkipReason.VENDORED, r"github\.com|golang\.org|gopkg\.in|google\.golang\.org"),
        _Evidence(SkipReason.VENDORED, beside=r"cargo\.toml|composer\.json|go\.mod|gopkg\.lock"),
    ),
    "deps": (_Evidence(SkipReason.VENDORED, beside=r"mix\.exs|rebar\.config"),),
    "packages": (_Evidence(SkipReason.VENDORED, r".*\.\d+\.\d+\.\d+", r".*\.sln|packages\.config|nuget\.config"),),
    "build": (
        _Evidence(SkipReason.GENERATED, r"cmakecache\.txt|build\.ninja|meson-info|compile_commands\.json"),
        _Evidence(SkipReason.GENERATED, r"lib|lib\..*|bdist\..*|temp\..*", r"setup\.py|setup\.cfg|pyproject\.toml"),
        _Evidence(SkipReason.GENERATED, r"classes|libs|tmp|intermediates|outputs", r"build\.gradle(?:\.kts)?"),
        _Evidence(SkipReason.GENERATED, r"index\.html|asset-manifest\.json|static|bundle\.js", r"package\.json"),
    ),
    "dist": (
        _Evidence(SkipReason.GENERATED, r".*\.(?:whl|tar\.gz|egg|min\.js|min\.css)"),
        _Evidence(SkipReason.GENERATED, beside=r"package\.json"),
    ),
    "target": (
        _Evidence(SkipReason.GENERATED, r"\.rustc_info\.json|maven-status|maven-archiver"),
        _Evidence(SkipReason.GENERATED, r"debug|release|doc|package", r"cargo\.toml"),
        _Evidence(SkipReason.GENERATED, r"classes|test-classes|generated-sources", r"pom\.xml|build\.sbt"),
    ),
    "bin": (_Evidence(SkipReason.GENERATED, r"debug|release", r".*\.(?:cs|fs|vb)proj"),),
    "obj": (_Evidence(SkipReason.GENERATED, r"debug|release|project\.assets\.json", r".*\.(?:cs|fs|vb)proj"),),
    "_build": (_Evidence(SkipReason.GENERATED, r"dev|test|prod|html|doctrees|default"),),
    "coverage": (_Evidence(SkipReason.GENERATED, r"lcov\.info|lcov-report|coverage-final\.json"),),
    "htmlcov": (_Evidence(SkipReason.GENERATED, r"index\.html"),),
}
# A folder of any name is skipped when one of these lies in it.
_VENDORED_MARK, _GENERATED_MARK = "pyvenv.cfg", "cachedir.tag"


def refuse_folder(name: str, inside: Collection[str] | None, beside: Collection[str]) -> Refusal | None:
    """Return why a folder is not entered: dependencies or build products; None: enter it.

    `inside` are the names in the folder, `beside` those in its parent. With `inside` None only a name that
    leaves no doubt decides, so that such a folder need not be listed.
    """
    lowered = name.lower()
    if lowered in _VENDORED_FOLDERS:
        return Refusal(SkipReason.VENDORED, "folder of dependencies")
    if lowered in _GENERATED_FOLDERS or lowered.endswith(".egg-info"):
        return Refusal(SkipReason.GENERATED, "folder of build products")
    return None if inside is None else _by_evidence(lowered, inside, beside)


def is_doubtful(name: str) -> bool:
    """Tell whether `refuse_folder` needs to know what is in a folder of this name."""
    return name.lower() in _DOUBTFUL


def is_folder_mark(name: str) -> bool:
    """Tell whether a file of this name says by itself what its folder is."""
    return name.lower() in (_VENDORED_MARK, _GENERATED_MARK)


def _by_evidence(name: str, inside: Collection[str], beside: Collection[str]) -> Refusal | None:
    if any(is_folder_mark(child) for child in inside):
        vendored = any(child.lower() == _VENDORED_MARK for child in inside)
        return Refusal(SkipReason.VENDORED if vendored else SkipReason.GENERATED, "marked by a file in it")
    for evidence in _DOUBTFUL.get(name, ()):
        found = _first(evidence.inside, inside)
        neighbour = _first(evidence.beside, beside) if evidence.beside else ""
        if found is not None and neighbour is not None:
            return Refusal(evidence.reason, f"told by {neighbour or found}")
    return None


def _first(pattern: str, names: Collection[str]) -> str | None:
    expression = re.compile(pattern)
    return next((name for name in sorted(names) if expression.fullmatch(name.lower())), None)
