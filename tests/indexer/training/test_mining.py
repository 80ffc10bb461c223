"""Pairs mined from packages: bad lists, archives and files first, then what is left out, kept and gone on with."""

import fcntl
import gzip
import json
import os
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from indexer.errors import EnvironmentFailed, IndexBusy, UsageError
from indexer.training import merging, mining, packages
from indexer.training.duplicates import Seen, signature
from indexer.training.left_out import OWN_PROJECTS, LeftOut, read_left_out
from indexer.training.mining import Folders, Mined, Package, Pair, mine, read_mined, read_packages
from indexer.training.written import code_digest

ROOT = Path(__file__).parents[3]
ADD = 'def add(first, second):\n    """Add two numbers together."""\n    # by hand\n    total = first + second\n    return total\n'


def entry(name="shapes", **changes):
    return {"registry": "pypi", "package": name, "version": "1.0", "licence": "MIT", "languages": ["python"]} | changes


def package(name="shapes", **changes):
    return Package.model_validate(entry(name, **changes))


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """A registry of local packages; says which were fetched."""
    fetched = []
    shelf = {}

    def download(order):
        fetched.append(order.wanted.package)
        files = shelf[order.wanted.package]
        if isinstance(files, Exception):
            raise files
        path = order.scratch / "archive"
        if isinstance(files, bytes):
            path.write_bytes(files)
            return path
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return path

    local = packages.Registry(download, lambda wanted, path, choose: packages.read_zip(path, choose=choose))
    monkeypatch.setitem(packages.REGISTRIES, "pypi", local)
    shelf["fetched"] = fetched
    return shelf


@pytest.fixture
def nothing():
    return LeftOut(())


def gave(registry, tmp_path, files, left_out=None, **changes):
    registry["shapes"] = files
    return mine([package(**changes)], tmp_path / "train", left_out or LeftOut(()), processes=1)[0]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "cannot be read"),
        ("{", "cannot be read"),
        ("[" * 100_000, "cannot be read"),
        ("\ud800", "cannot be read"),
        ("{}", "not a list"),
        ("[]", "not a list"),
        ("[1]", "package 1: it"),
        (json.dumps([entry(), entry(registry="cpan")]), "package 2: registry"),
        (json.dumps([entry(version="")]), "version"),
        (json.dumps([entry(version="--upgrade")]), "version"),
        (json.dumps([entry("-x")]), "package"),
        (json.dumps([entry("../up")]), "package"),
        (json.dumps([entry("a b")]), "package"),
        (json.dumps([entry(colour="red")]), "colour"),
        (json.dumps([entry(languages=["cobol"])]), "cobol"),
        (json.dumps([entry(languages=["py"])]), "py"),
        (json.dumps([entry(languages=["markdown"])]), "markdown"),
        (json.dumps([entry(), entry()]), "named twice"),
    ],
)
def test_a_bad_list_of_packages_is_said(tmp_path, text, word):
    path = tmp_path / "list.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(UsageError, match=word):
        read_packages(path)


def test_a_list_that_is_not_there_is_said(tmp_path):
    with pytest.raises(UsageError, match=r"nowhere\.json"):
        read_packages(tmp_path / "nowhere.json")


@pytest.mark.parametrize(
    ("name", "project"),
    [
        ("Requests", "requests"),
        ("requests-toolbelt", "requests"),
        ("ruby-Rack", "rack"),
        ("org.typelevel:cats-core_2.13", "cats"),
        ("com.zaxxer:HikariCP", "hikaricp"),
        ("github.com/spf13/cobra", "cobra"),
        ("serde_json", "serde"),
        ("requestsx", None),
        ("numpy", None),
        ("org.scala-lang:scala-library", None),
    ],
)
def test_left_out_projects_are_known_in_any_spelling(name, project):
    projects = LeftOut(["requests", "rack", "cats", "HikariCP", "cobra", "serde"])
    assert projects.project(name) == project


def test_a_left_out_package_is_not_fetched(registry, tmp_path):
    registry["shapes"] = {}
    with pytest.raises(UsageError, match=r"shapes@1\.0 belongs to shapes"):
        mine([package()], tmp_path / "train", LeftOut(["Shapes"]))
    assert registry["fetched"] == []


def test_nothing_of_our_own_questions_is_on_the_list():
    sources = json.loads((ROOT / "tests/data/questions/sources.json").read_text())
    ours = OWN_PROJECTS.read_text()
    left_out = LeftOut(
        [word for line in ours.splitlines() if line[0] != "#" for word in line.partition(":")[2].split()]
    )
    for source in sources:
        assert left_out.project(source["package"]), source["package"]
    assert [found.package for found in read_packages(mining.PACKAGES) if left_out.project(found.package)] == []


@pytest.mark.skipif("FATHOM_DATA" not in os.environ, reason="needs the data folder (FATHOM_DATA)")
def test_nothing_left_out_is_on_the_list():
    left_out = read_left_out(Path(os.environ["FATHOM_DATA"]))
    assert [found.package for found in read_packages(mining.PACKAGES) if left_out.project(found.package)] == []
    assert sum(1 for _ in left_out.texts()) > 8_000


def data_folder(folder, line='{"_id": "c1", "text": "def f():\\n    return 1", "metadata": {"language": "python"}}'):
    folder.mkdir()
    (folder / "left-out.txt").write_text("python: Requests flask\n")
    for name in ("cosqa-dev", "java-csharp-dev", "mbpp-recorded"):
        (folder / name).mkdir()
        with gzip.open(folder / name / "corpus.jsonl.gz", "wt") as file:
            file.write(line + "\n")
        (folder / name / "queries.jsonl").write_text('{"_id": "q1", "text": "add two numbers"}\n')
    return folder


@pytest.mark.parametrize("missing", ["left-out.txt", "cosqa-dev/corpus.jsonl.gz", "mbpp-recorded/queries.jsonl"])
def test_what_is_to_be_left_out_must_be_there(tmp_path, missing):
    folder = data_folder(tmp_path / "data")
    (folder / missing).unlink()
    with pytest.raises(UsageError, match=r"left out|leave out"):
        read_left_out(folder)


@pytest.mark.parametrize("line", ["{", "[]", "{}", '"text"', '{"text": "x", "metadata": 1}'])
def test_a_broken_line_of_an_evaluation_set_is_said(tmp_path, line):
    folder = data_folder(tmp_path / "data", line)
    with pytest.raises(UsageError, match=r"corpus\.jsonl\.gz, line 1"):
        read_left_out(folder)


def test_a_damaged_evaluation_set_is_said(tmp_path):
    folder = data_folder(tmp_path / "data")
    path = folder / "cosqa-dev" / "corpus.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UsageError, match="cannot be read"):
        read_left_out(folder)


def test_a_package_that_cannot_be_had_is_said_and_the_others_go_on(registry, tmp_path, nothing):
    registry |= {"shapes": EnvironmentFailed("the source shapes cannot be had: no route"), "pipes": {"a.py": ADD}}
    first, second = mine([package(), package("pipes")], tmp_path / "train", nothing, processes=1)
    assert first.failure.endswith("no route")
    assert [pair.symbol for pair in second.pairs] == ["add"]
    assert merging.merge([first, second], nothing).packages[0]["failure"] == first.failure


def test_when_nothing_can_be_had_the_run_fails(registry, tmp_path, nothing):
    registry["shapes"] = EnvironmentFailed("no route")
    with pytest.raises(EnvironmentFailed, match="no package could be had; the first: no route"):
        mine([package()], tmp_path / "train", nothing)


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04" + bytes(100)])
def test_a_damaged_archive_is_said_and_fetched_anew(registry, tmp_path, nothing, content):
    registry |= {"shapes": content, "pipes": {"a.py": ADD}}
    asked = [package(), package("pipes")]
    assert "shapes" in mine(asked, tmp_path / "train", nothing, processes=1)[0].failure
    registry["shapes"] = {"a.py": ADD}
    assert len(mine(asked, tmp_path / "train", nothing, processes=1)[0].pairs) == 1
    assert registry["fetched"].count("shapes") == 2
    assert registry["fetched"].count("pipes") == 1


def test_an_archive_that_is_too_large_is_said(registry, tmp_path, nothing, monkeypatch):
    monkeypatch.setattr(packages, "MAX_BYTES", 100)
    registry |= {"shapes": {"a.py": ADD * 9}, "pipes": {"a.py": "x = 1\n"}}
    first, _ = mine([package(), package("pipes")], tmp_path / "train", nothing, processes=1)
    assert "unpacks to more" in first.failure


FILES = {
    "lib/node_modules/a.py": "file vendored",
    "lib/_vendor/a.py": "file vendored",
    "lib/Flask/a.py": "file vendored",
    "lib/tests/a.py": "file of tests",
    "lib/test_a.py": "file of tests",
    "lib/a_pb2.py": "file generated",
    "lib/large.py": "file too large",
    "lib/empty.py": "file empty",
    "lib/binary.py": "file binary",
    "lib/said.py": "file generated",
    "lib/min.js": "file generated",
    "lib/a.d.ts": "file of declarations",
}
CONTENTS = {
    "lib/large.py": "#" * (2 << 20),
    "lib/empty.py": " \n",
    "lib/binary.py": "\0\0",
    "lib/said.py": "# Generated by a tool. DO NOT EDIT.\n" + ADD,
    "lib/min.js": "var a=1;" * 2_000,
}


def test_files_left_out_are_counted(registry, tmp_path):
    files = {path: CONTENTS.get(path, ADD) for path in FILES} | {
        "lib/good.py": ADD,
        "lib/a.md": "# Adding",
        "lib/a.go": "x",
    }
    mined = gave(registry, tmp_path, files, LeftOut(["flask"]), languages=["python", "javascript", "typescript"])
    assert [pair.path for pair in mined.pairs] == ["lib/good.py"]
    assert mined.left_out == Counter(FILES.values())


def function(name, said, body="    one = 1\n    two = 2\n    return one + two\n"):
    return f'def {name}():\n    """{said}"""\n{body}\n\n'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def f(a):\n    b = a\n    return b\n", "undocumented"),
        (function("test_adding", "Test that adding adds up."), "a test"),
        (
            "class A:\n    def __repr__(self):\n        '''Return what it looks like.'''\n        a = 1\n        return a\n",
            "a constructor or standard override",
        ),
        (function("main", "Run the whole program at once."), "a constructor or standard override"),
        (function("f", "Does it."), "documentation too short"),
        (function("f", "Copyright 2020 by nobody at all."), "a licence"),
        (function("f", "See the other function."), "says nothing of its own"),
        (function("f", "Returns one and no more.", "    return 1\n"), "code too short"),
        (function("f", "Returns a lot of numbers.", "    x = 1\n" * 600), "code too long"),
        (function("f", "Returns a lot of numbers.", "    x = 1\n" * 3_000), "code too long"),
        (
            function("f", "Returns what it says itself.", "    a = 1\n    return 'Returns what it says itself.'\n"),
            "documentation remains in the code",
        ),
    ],
)
def test_units_left_out_are_counted(registry, tmp_path, text, reason):
    mined = gave(registry, tmp_path, {"a.py": text})
    assert mined.pairs == []
    assert mined.left_out[reason] == 1


def test_a_pair_is_the_words_and_the_code_without_them(registry, tmp_path):
    text = "class A:\n" + "".join(f"    {line}\n" for line in ADD.splitlines())
    pair = gave(registry, tmp_path, {"lib/a.py": text}).pairs[0]
    assert pair.query == "Add two numbers together."
    assert pair.code == "def add(first, second):\n    total = first + second\n    return total"
    assert (pair.language, pair.path, pair.symbol, pair.kind) == ("python", "lib/a.py", "A.add", "method")
    assert pair.source == "pypi:shapes@1.0"


def test_a_class_is_its_head_and_its_members(registry, tmp_path):
    text = 'class Shape:\n    """A shape with a name."""\n\n    sides = 0\n\n    def name(self):\n        return 1\n\n    def area(self, unit):\n        return 2\n'
    pair = gave(registry, tmp_path, {"a.py": text}).pairs[0]
    assert (pair.kind, pair.symbol) == ("class", "Shape")
    assert pair.code.startswith("class Shape:\n")
    assert pair.code.endswith("    sides = 0\n    def name(self)\n    def area(self, unit)")
    assert "A shape" not in pair.code


def test_only_folders_that_are_included_are_read(registry, tmp_path):
    files = {"lib/a.py": ADD, "libs/a.py": ADD, "other/a.py": ADD}
    assert [pair.path for pair in gave(registry, tmp_path, files, include=["lib"]).pairs] == ["lib/a.py"]


def test_a_second_run_fetches_and_parses_nothing(registry, tmp_path, nothing, monkeypatch):
    first = gave(registry, tmp_path, {"a.py": ADD})
    monkeypatch.setattr(mining, "_read", lambda *_: pytest.fail("parsed again"))
    second = mine([package()], tmp_path / "train", nothing)[0]
    assert second == first
    assert registry["fetched"] == ["shapes"]


@pytest.mark.parametrize("damage", ["cut", "text", "empty", "rules", "line", "fewer"])
def test_a_damaged_file_of_pairs_is_mined_again(registry, tmp_path, damage):
    first = gave(registry, tmp_path, {"a.py": ADD})
    path = Folders(tmp_path / "train").pairs(package())
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    damaged = {
        "cut": path.read_bytes()[:-12],
        "text": b"nothing",
        "empty": b"",
        "rules": gzip.compress(lines[0].replace(b'"rules": ', b'"rules": 9') + lines[1]),
        "line": gzip.compress(lines[0] + b"{}\n"),
        "fewer": gzip.compress(lines[0]),
    }
    path.write_bytes(damaged[damage])
    assert read_mined(package(), Folders(tmp_path / "train")) is None
    assert gave(registry, tmp_path, {"a.py": ADD}) == first
    assert registry["fetched"] == ["shapes"]
    path.write_bytes(damaged[damage])
    Folders(tmp_path / "train").archive(package()).unlink()
    assert gave(registry, tmp_path, {"a.py": ADD}) == first
    assert registry["fetched"] == ["shapes", "shapes"]


def test_a_run_that_is_killed_goes_on(registry, tmp_path, nothing, monkeypatch):
    registry |= {"shapes": {"a.py": ADD}, "pipes": {"b.py": ADD.replace("add", "sum_up")}}
    asked = [package(), package("pipes")]
    real = mining._read

    def dies(mined, *rest):
        if mined.package.package == "pipes":
            raise KeyboardInterrupt
        real(mined, *rest)

    monkeypatch.setattr(mining, "_read", dies)
    with pytest.raises(KeyboardInterrupt):
        mine(asked, tmp_path / "train", nothing, processes=1)
    monkeypatch.setattr(mining, "_read", real)
    results = mine(asked, tmp_path / "train", nothing, processes=1)
    assert [len(mined.pairs) for mined in results] == [1, 1]
    assert sorted(registry["fetched"]) == ["pipes", "shapes"]


def test_two_runs_do_not_share_a_folder(tmp_path, nothing):
    target = tmp_path / "train"
    target.mkdir()
    with (target / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(IndexBusy, match="another run"):
            mine([package()], target, nothing)


def test_a_file_that_cannot_be_parsed_is_named(registry, tmp_path, monkeypatch):
    monkeypatch.setattr(mining, "ParserPool", lambda processes: _crashing())
    mined = gave(registry, tmp_path, {"a.py": ADD})
    assert mined.left_out["file cannot be parsed"] == 1
    assert mined.broken == ["a.py: its parser crashed"]


def _crashing():
    from indexer.splitting.pool import ParserPool

    return ParserPool(1, command=(sys.executable, "-c", "raise SystemExit(1)"))


WORDS = [f"{letter}{letter}x" for letter in "abcdefghijklmnopqrstu"]


def pair(number, code=None, query=None, kind="function", **changes):
    shuffled = " ".join(f"{word}{number}" for word in WORDS)
    fields = {"query": query or f"Do the thing number {number}", "code": code or f"def f():\n    {shuffled}\n"}
    return Pair(
        **fields | {"language": "python", "source": "s", "path": f"{number}.py", "symbol": "f", "kind": kind} | changes
    )


def merged(*results, left_out=None):
    return merging.merge(results, left_out or LeftOut(()))


def test_copies_and_near_duplicates_stay_once():
    body = " ".join(WORDS * 3)
    first = pair(1, f"def f():\n    {body}\n")
    copy = pair(2, f"def f():\n\n        {body}")
    near = pair(3, f"def f():\n    {body} omega\n")
    found = merged(Mined(package(), [first, copy, near]))
    assert len(found.train) == 1
    left_out = found.packages[0]["left_out"]
    assert left_out.get("a copy", 0) + left_out.get("a near-duplicate", 0) == 2


def test_held_out_packages_go_before_all_others():
    trained = Mined(package("one"), [pair(1)])
    held = Mined(package("two", held_out=True), [pair(1)])
    found = merged(trained, held)
    assert (len(found.train), len(found.held_out)) == (0, 1)
    assert found.packages[1]["left_out"] == {"a copy": 1}


def test_a_question_is_asked_three_times_at_most_and_once_where_it_is_held_out():
    asked = [pair(number, query="Returns  the value") for number in range(9)]
    assert len(merged(Mined(package(), asked)).train) == 3
    assert len(merged(Mined(package(held_out=True), asked)).held_out) == 1


def test_what_is_evaluated_is_left_out():
    code = f"def f():\n    # said\n    {' '.join(WORDS)}\n"
    sets = LeftOut((), [(code, "python"), ("Do the thing number 7", None)])
    like = pair(2, f"def f():\n    {' '.join(WORDS)} omega\n")
    found = merged(Mined(package(), [pair(1, f"def f(): {' '.join(WORDS)}"), like, pair(7), pair(8)]), left_out=sets)
    assert [kept.path for kept in found.train] == ["8.py"]
    assert found.packages[0]["left_out"] == {"like one of an evaluation set": 1, "of an evaluation set": 2}


def test_no_package_and_no_heads_of_classes_rule(monkeypatch):
    monkeypatch.setattr(merging, "MAX_PAIRS", 40)
    given = [pair(number, kind="class" if number % 2 else "function") for number in range(200)]
    found = merged(Mined(package(), given))
    kinds = Counter(kept.kind for kept in found.train)
    assert len(found.train) == 40
    assert 0 < kinds["class"] <= 7
    assert sum(found.packages[0]["left_out"].values()) == 160
    alone = merged(Mined(package(), [each for each in given if each.kind == "class"]))
    assert alone.train == []


def test_the_same_packages_give_the_same_bytes(tmp_path, monkeypatch):
    given = [pair(number) for number in range(50)]
    queries = {code_digest(given[7].code): ("shapes area python", "how big is it")}
    monkeypatch.setattr(merging, "read_written", lambda: queries)
    for folder, pairs in (("a", given), ("b", given[::-1])):
        merging.write_merged(
            merged(Mined(package(), pairs), Mined(package("two", held_out=True), [pair(99)])), tmp_path / folder
        )
    names = {path.name for path in (tmp_path / "a").iterdir()}
    assert names == {"train.jsonl.gz", "written.jsonl.gz", "heldout.jsonl.gz", "mined.json"}
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    with gzip.open(tmp_path / "a" / "written.jsonl.gz", "rt") as stream:
        rows = [json.loads(line) for line in stream]
    assert [row["query"] for row in rows] == ["shapes area python", "how big is it"]
    assert {(row["code"], row["documentation"]) for row in rows} == {(given[7].code, given[7].query)}
    manifest = json.loads((tmp_path / "a" / "mined.json").read_text())
    assert manifest["train"] == {"pairs": 50, "languages": {"python": 50}}
    assert [(each["package"], each["version"], each["licence"]) for each in manifest["packages"]] == [
        ("two", "1.0", "MIT"),
        ("shapes", "1.0", "MIT"),
    ]


def test_a_disk_that_is_full_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "train.jsonl.gz"
    mining.write_lines(path, [{"a": 1}])
    before = path.read_bytes()

    def entries():
        yield {"a": 2}
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        mining.write_lines(path, entries())
    assert path.read_bytes() == before


def test_likeness_is_told_about_at_seven_tenths():
    seen = Seen()
    text = " ".join(f"word{number}" for number in range(200))
    seen.add(signature(text))
    seen.add(signature(text))
    seen.add(b"")
    assert seen.like(signature(text))
    assert seen.like(signature(text + " and some more words behind it"))
    assert not seen.like(signature(" ".join(f"word{number}" for number in range(120, 320))))
    assert not seen.like(signature("too short"))


def test_every_licence_on_the_list_is_permissive():
    listed = read_packages(mining.PACKAGES)
    assert len(listed) > 200
    assert [
        found.package
        for found in listed
        if any(word in found.licence for word in ("GPL", "MPL", "EPL", "CDDL")) and "OR" not in found.licence
    ] == []


def test_the_kinds_of_package_are_those_that_can_be_fetched():
    assert set(Package.model_fields["registry"].annotation.__args__) == packages.REGISTRIES.keys()


@pytest.mark.slow
def test_the_command_runs_as_a_program(tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "cli.main",
            "train",
            "mine",
            "--packages",
            str(tmp_path / "no.json"),
            "--data",
            str(data_folder(tmp_path / "data")),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "no.json" in done.stderr
