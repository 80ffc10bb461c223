"""Packages laid out for a question set: what an archive may hold, what is taken of it, and what is said when it fails."""

import io
import stat
import sys
import tarfile
import zipfile

import pytest

from benchmarks import sources
from indexer.errors import EnvironmentFailed
from indexer.training import packages
from search.evaluation.sources import Source, lies_at


@pytest.fixture
def target(tmp_path):
    return tmp_path / "layout"


def source(**changes):
    fields = {"repository": "shapes", "registry": "pypi", "package": "shapes", "version": "1.0"}
    return Source.model_validate(fields | {"language": "python", "licence": "MIT"} | changes)


def zip_of(path, entries, links=()):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
        for name, to in links:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(entry, to)
    return path


def tar_of(path, entries, special=(), mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name, content in entries.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for name, kind, to in special:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, to
            archive.addfile(entry)
    return path


def archive_of(tmp_path, kind, entries):
    if kind == "zip":
        return packages.read_zip(zip_of(tmp_path / "a.zip", entries))
    return packages.read_tar(tar_of(tmp_path / "a.tar.gz", entries), strip=0)


@pytest.fixture
def fetched(monkeypatch):
    """Let a registry give these files."""

    def give(files):
        registry = packages.Registry(lambda order: order.scratch, lambda wanted, archive, choose: iter(files))
        monkeypatch.setitem(packages.REGISTRIES, "pypi", registry)

    return give


def tree(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


HOSTILE = ["../up.py", "a/../../up.py", "/etc/up.py", "//etc/up.py", "..", "a/..", "a/../b.py"]


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_names_that_lead_elsewhere_are_left_out(tmp_path, kind):
    entries = dict.fromkeys(HOSTILE, b"hostile") | {"good/a.py": b"good", "..good/b..py": b"fine"}
    assert dict(archive_of(tmp_path, kind, entries)) == {"good/a.py": b"good", "..good/b..py": b"fine"}


@pytest.mark.parametrize("strip", [0, 1, 2])
def test_stripping_leaves_out_the_same(tmp_path, strip):
    path = tar_of(tmp_path / "a.tar.gz", dict.fromkeys(HOSTILE, b"hostile") | {"./p/q/a.py": b"good"})
    assert list(packages.read_tar(path, strip)) == [("p/q/a.py".split("/", strip)[-1], b"good")]


def test_what_is_stripped_whole_has_no_name(tmp_path):
    path = tar_of(tmp_path / "a.tar.gz", {"package.json": b"x", "package/a.js": b"y"})
    assert list(packages.read_tar(path, strip=1)) == [("a.js", b"y")]


def test_a_prefix_hides_no_hostile_name(tmp_path):
    path = zip_of(
        tmp_path / "m.zip", {"m@v1/a.go": b"a", "m@v1//etc/up.go": b"b", "m@v1/../up.go": b"c", "other/b.go": b"d"}
    )
    assert dict(packages.read_zip(path, prefix="m@v1/")) == {"a.go": b"a", "other/b.go": b"d"}


def test_links_folders_and_devices_are_left_out(tmp_path):
    special = [
        ("a/soft.py", tarfile.SYMTYPE, "/etc/passwd"),
        ("a/hard.py", tarfile.LNKTYPE, "a/good.py"),
        ("a/pipe", tarfile.FIFOTYPE, ""),
        ("a/device", tarfile.CHRTYPE, ""),
        ("a/folder", tarfile.DIRTYPE, ""),
    ]
    packed = tar_of(tmp_path / "a.tar.gz", {"a/good.py": b"good"}, special)
    assert list(packages.read_tar(packed, strip=0)) == [("a/good.py", b"good")]
    zipped = zip_of(tmp_path / "a.zip", {"good.py": b"good", "folder/": b""}, [("soft.py", "/etc/passwd")])
    assert list(packages.read_zip(zipped)) == [("good.py", b"good")]


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_archive_that_grows_too_large_is_not_written(tmp_path, target, fetched, monkeypatch, kind):
    monkeypatch.setattr(packages, "MAX_BYTES", 3 << 20)
    files = archive_of(tmp_path, kind, {f"a{n}.py": bytes(1 << 20) for n in range(4)})
    fetched(files)
    with pytest.raises(EnvironmentFailed, match="unpacks to more than 3 MB"):
        sources.lay_out(source(), target)
    assert not target.exists()


def test_a_size_that_is_a_lie_is_not_written(tmp_path, target, fetched):
    path = zip_of(tmp_path / "a.zip", {"a.py": bytes(9_000)})
    content = path.read_bytes()
    path.write_bytes(content.replace((9_000).to_bytes(4, "little"), (90).to_bytes(4, "little")))
    fetched(packages.read_zip(path))
    with pytest.raises(EnvironmentFailed, match="shapes"):
        sources.lay_out(source(), target)
    assert not target.exists()


@pytest.mark.parametrize("damage", ["cut", "text"])
@pytest.mark.parametrize("kind", ["zip", "gz", "xz"])
def test_a_damaged_archive_is_said_with_its_source(tmp_path, target, fetched, kind, damage):
    path = tmp_path / "archive"
    entries = {f"a{n}.py": b"%d" % n * 5_000 for n in range(20)}
    whole = zip_of(path, entries) if kind == "zip" else tar_of(path, entries, mode=f"w:{kind}")
    path.write_bytes(whole.read_bytes()[:-40] if damage == "cut" else b"<html>not found</html>")
    fetched(packages.read_zip(path) if kind == "zip" else packages.read_tar(path, 0))
    with pytest.raises(EnvironmentFailed, match="the source shapes cannot be had"):
        sources.lay_out(source(), target)
    assert not target.exists()


FILES = [
    ("pkg/lib/a.py", b"a"),
    ("pkg/lib/sub/b.py", b"b"),
    ("pkg/libs/c.py", b"c"),
    ("pkg/index.js", b"d"),
    ("x", b"e"),
]


@pytest.mark.parametrize(
    ("include", "root", "wanted"),
    [
        (["."], "", {"pkg/lib/a.py", "pkg/lib/sub/b.py", "pkg/libs/c.py", "pkg/index.js", "x"}),
        (["pkg/lib"], "", {"pkg/lib/a.py", "pkg/lib/sub/b.py"}),
        (["pkg/lib", "pkg/index.js"], "pkg/", {"lib/a.py", "lib/sub/b.py", "index.js"}),
        (["pkg/lib"], "pkg/lib", {"a.py", "sub/b.py"}),
        (["pkg/lib"], "pkg/l", {"pkg/lib/a.py", "pkg/lib/sub/b.py"}),
        (["."], "pkg/", {"lib/a.py", "lib/sub/b.py", "libs/c.py", "index.js", "x"}),
    ],
)
def test_include_and_root_choose_and_shorten(target, fetched, include, root, wanted):
    fetched(FILES)
    chosen = source(include=include, root=root)
    assert sources.lay_out(chosen, target)
    assert tree(target / "shapes").keys() == wanted
    assert lies_at(chosen, target / "shapes")
    assert {path.name for path in target.iterdir()} == {"shapes", "shapes.source.json"}


@pytest.mark.parametrize("root", ["pkg", "pkg/", "pk", "a", "/", "."])
def test_a_root_leads_nowhere_else(tmp_path, target, fetched, root):
    before = set(tmp_path.parent.iterdir())
    fetched([("pkg/a.py", b"a"), ("pkg/" + str(tmp_path).strip("/") + "/up.py", b"b"), ("a../up.py", b"c")])
    sources.lay_out(source(root=root), target)
    assert len(tree(target / "shapes")) == 3
    assert {path.name for path in tmp_path.iterdir()} == {"layout"}
    assert set(tmp_path.parent.iterdir()) == before


def test_nothing_under_what_is_included_is_said(target, fetched):
    fetched(FILES)
    with pytest.raises(EnvironmentFailed, match="shapes holds nothing under src, pkg/lib/a"):
        sources.lay_out(source(include=["src", "pkg/lib/a"]), target)
    assert not target.exists()


def test_what_lies_there_is_not_fetched_again(target, fetched, monkeypatch):
    fetched(FILES)
    assert sources.lay_out(source(), target)
    again = packages.Registry(lambda _: pytest.fail("fetched again"), lambda *_: iter(()))
    monkeypatch.setitem(packages.REGISTRIES, "pypi", again)
    assert not sources.lay_out(source(), target)


def test_another_version_takes_the_place_of_the_old_one(target, fetched):
    fetched(FILES)
    sources.lay_out(source(), target)
    fetched([("new.py", b"new")])
    assert sources.lay_out(source(version="2.0"), target)
    assert tree(target / "shapes") == {"new.py": b"new"}
    assert not lies_at(source(), target / "shapes")


def test_a_failure_half_way_leaves_the_old_version(target, fetched):
    fetched(FILES)
    sources.lay_out(source(), target)

    def failing():
        yield "new.py", b"new"
        raise EnvironmentFailed("the connection broke")

    fetched(failing())
    before = tree(target)
    with pytest.raises(EnvironmentFailed, match="connection"):
        sources.lay_out(source(version="2.0"), target)
    assert tree(target) == before
    assert lies_at(source(), target / "shapes")


@pytest.mark.parametrize(
    ("command", "word"),
    [
        (["sh", "-c", "echo one >&2; echo no such package >&2; exit 3"], "no such package"),
        (["sh", "-c", "echo only here; exit 1"], "only here"),
        (["sh", "-c", "exit 1"], "sh"),
        (["sh", "-c", "kill -9 $$"], "sh"),
        (["no-such-client-at-all", "fetch"], "no-such-client-at-all"),
    ],
)
def test_a_client_that_fails_is_said_with_the_source(tmp_path, command, word):
    with pytest.raises(EnvironmentFailed) as raised:
        packages.client(source(), command, tmp_path)
    assert str(raised.value).startswith("the source shapes cannot be had: ")
    assert word in str(raised.value)
    assert raised.value.exit_code == 5


def test_a_client_works_in_its_folder_and_its_words_are_read(tmp_path):
    (tmp_path / "here").write_text("")
    assert packages.client(source(), ["ls"], tmp_path) == "here\n"


def test_a_client_that_brings_nothing_is_said_with_the_source(tmp_path):
    with pytest.raises(EnvironmentFailed, match=r"the source shapes cannot be had: no \*\.whl came"):
        packages.only(source(), tmp_path, "*.whl")
    for name in ("b.whl", "a.whl", "c.txt"):
        (tmp_path / name).write_text("")
    assert packages.only(source(), tmp_path, "*.whl").name == "a.whl"


def test_every_registry_that_a_source_may_name_has_a_client():
    assert set(Source.model_fields["registry"].annotation.__args__) == packages.REGISTRIES.keys()


def test_the_program_lays_out_every_source_of_a_set(target, fetched, small_sets, tmp_path, monkeypatch, capsys):
    folder = small_sets.repository_set(tmp_path / "asked")
    monkeypatch.setattr(sys, "argv", ["sources", str(folder), "--target", str(target)])
    fetched(FILES)
    sources.main()
    assert capsys.readouterr().out.splitlines() == [
        "shapes 1.0: fetched",
        "pipes 1.0: fetched",
        f"sources lie under {target}",
    ]
    sources.main()
    assert capsys.readouterr().out.count("there already") == 2
    assert tree(target / "pipes") == dict(FILES)
