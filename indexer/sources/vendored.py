"""Folders that hold other people's code, or built files, told by name and by what lies in and beside them.

Nothing is read here: callers say what is there.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

from indexer.types import SkipReason

VERSION_CONTROL = frozenset((".git", ".hg", ".svn", ".bzr", "CVS"))
_VENDORED = frozenset(
    ("node_modules", "bower_components", "jspm_packages", "site-packages", ".venv", "vendor", "third_party")
)
_CACHES = ("__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis")
_GENERATED = frozenset((*_CACHES, ".tox", ".nox", ".gradle", ".next", ".nuxt", ".eggs", ".terraform"))
# A name that also stands for written code needs evidence: a file beside the folder, or one in it.
_BESIDE = MappingProxyType(
    {
        "target": ("Cargo.toml", "pom.xml", "build.sbt"),
        "build": ("build.gradle", "build.gradle.kts"),
        "dist": ("package.json",),
    }
)
_INSIDE = MappingProxyType(
    {
        "target": ("CACHEDIR.TAG",),
        "build": ("CMakeCache.txt", "bdist.linux-x86_64", "CACHEDIR.TAG"),
        "dist": ("CACHEDIR.TAG",),
    }
)


def folder_reason(name: str, beside: Callable[[str], bool], inside: Callable[[str], bool]) -> SkipReason | None:
    """Return why a whole folder is skipped; `beside` tells if a sibling exists, `inside` if a child does."""
    if name in _VENDORED or inside("pyvenv.cfg"):
        return SkipReason.VENDORED
    if name in _GENERATED:
        return SkipReason.GENERATED
    evident = any(map(beside, _BESIDE.get(name, ()))) or any(map(inside, _INSIDE.get(name, ())))
    return SkipReason.GENERATED if evident else None
