"""Sections of documents."""

import pytest

from indexer.languages import by_name
from indexer.splitting.units import split_units
from indexer.types import Kind

# Every list is what the rules say of the sample above it: kind, symbol, first line, last line.
SAMPLES: dict[str, tuple[str, list[tuple[str, str, int, int]]]] = {
    "html": (
        """\
<!doctype html>
<html lang="a">
<head>
<title>x</title>
</head>
<body>
<p>a
x
x
x
x
x
x
x
x
x
x
x
x
x
x
x
x
x
x
x
x
x
x
x
x
x
x
x
x
</p>
<div id="a">x</div><script>
function f(){}
</script>
</body>
</html>
""",
        [
            ("section", "html, head, body", 1, 6),
            ("section", "p", 7, 36),
            ("section", "div", 37, 41),
        ],
    ),
    "css": (
        """\
@import "x";
/* c */
a {
  b: c;
}
@media x { p { q: r } }
.x, .y {
  z: w;
  z: w;
  z: w;
  z: w;
  z: w;
  z: w;
  z: w;
  z: w;
  z: w;
  z: w;
  z: w;
  z: w;
  z: w;
  z: w;
  z: w;
  z: w;
  z: w;
  z: w;
  z: w;
  z: w;
  z: w;
  z: w;
  z: w;
  z: w;
  z: w;
  z: w;
  z: w;
  z: w;
}
""",
        [
            ("section", "a", 1, 6),
            ("section", ".x, .y", 7, 36),
        ],
    ),
    "markdown": (
        """\
intro

# A

text

## B `x`
x

# C
```
# no
```
Set
===
foo
""",
        [
            ("section", "", 1, 2),
            ("section", "A", 3, 6),
            ("section", "A > B `x`", 7, 9),
            ("section", "C", 10, 13),
            ("section", "Set", 14, 16),
        ],
    ),
    "json": (
        """\
{"a": {"b": 1},
 "c": [
1,
1,
1,
1,
1,
1,
1,
1,
1,
1,
1,
1,
1,
1,
1,
1,
1,
1,
1,
1,
1,
1,
1,
1,
1,
1,
1,
1,
1,
1,
1],
 "d": 2
}
""",
        [
            ("section", "a", 1, 1),
            ("section", "c", 2, 33),
            ("section", "d", 34, 35),
        ],
    ),
    "yaml": (
        """\
# c
a: 1
b:
  - x
  - x
  - x
  - x
  - x
  - x
  - x
  - x
  - x
  - x
  - x
  - x
  - x
  - x
  - x
  - x
  - x
  - x
  - x
  - x
  - x
  - x
  - x
  - x
  - x
  - x
  - x
  - x
  - x
  - x
# about x
x:
  - 1
""",
        [
            ("section", "a", 1, 2),
            ("section", "b", 3, 33),
            ("section", "x", 34, 36),
        ],
    ),
    "toml": (
        """\
a = 1

# about t
[t]
b = 2
[[x.y]]
c = 1
""",
        [
            ("section", "", 1, 2),
            ("section", "t", 3, 5),
            ("section", "x.y", 6, 7),
        ],
    ),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_units(name: str) -> None:
    text, expected = SAMPLES[name]
    split = split_units(text, by_name(name))
    assert split.parsed
    assert [(unit.kind, unit.symbol, unit.start_line, unit.end_line) for unit in split.units] == [
        (Kind(kind), symbol, start, end) for kind, symbol, start, end in expected
    ]


def test_a_heading_inside_a_fence_is_no_section() -> None:
    units = split_units("# A\n\n```\n# not\n```\n", by_name("markdown")).units
    assert [unit.symbol for unit in units] == ["A"]


def test_a_path_goes_up_again_after_deeper_headings() -> None:
    text = "# A\n\n### B\n\n## C\n\n# D\n"
    units = split_units(text, by_name("markdown")).units
    assert [unit.symbol for unit in units] == ["A", "A > B", "A > C", "D"]


def test_small_neighbours_are_one_section() -> None:
    text = "".join(f".c{number} {{\n  color: red;\n}}\n" for number in range(12))
    units = split_units(text, by_name("css")).units
    assert [(unit.start_line, unit.end_line) for unit in units] == [(1, 30), (31, 36)]
    assert units[1].symbol == ".c10, .c11"


def test_long_sections_are_cut() -> None:
    text = "# A\n\n" + "A paragraph of some words that fills a line.\n\n" * 40
    unit = split_units(text, by_name("markdown")).units[0]
    assert unit.cuts == tuple(range(3, 82, 2))
