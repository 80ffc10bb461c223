"""Code without comments and docstrings: in every language nothing said is left, and nothing done is lost."""

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.languages import LANGUAGES
from indexer.style.docstrings import without_docstrings

# In each, comments and docstrings say SAID and code says KEPT, also where it looks like a comment.
EXAMPLES = {
    "python": (
        '"""SAID."""\n# SAID\nclass KEPT:\n    "SAID" "SAID"\n    def f(self):\n        r"""SAID\n        SAID."""\n'
        '        x = "KEPT # KEPT"  # SAID\n        return """KEPT"""\n'
    ),
    "javascript": '/** SAID. */\n"KEPT";\nfunction f() { // SAID\n  return "KEPT // KEPT" + `KEPT`;\n}\n',
    "typescript": '/** SAID. */\nfunction f(): string { // SAID\n  return "KEPT /* KEPT */";\n}\n',
    "go": 'package p\n\n// SAID.\nfunc KEPT() string { /* SAID */ return "KEPT // KEPT" }\n',
    "java": 'class KEPT {\n  /** SAID. */\n  String f() { return "KEPT"; } // SAID\n}\n',
    "php": '<?php\n/** SAID. */\n# SAID\nfunction f() { return "KEPT # KEPT"; } // SAID\n',
    "ruby": '# SAID.\n=begin\nSAID\n=end\ndef f\n  [1].map { "KEPT # KEPT" }\nend\n',
    "rust": '//! SAID\n/// SAID.\nfn f() -> &\'static str { "KEPT // KEPT" } // SAID\n',
    "c": '/* SAID. */\nchar *f(void) { return "KEPT // KEPT"; } // SAID\n',
    "c++": '/// SAID.\nauto f() { return "KEPT"; } // SAID\n',
    "c#": '/// <summary>SAID.</summary>\nclass A { string F() { return "KEPT"; } }\n',
    "kotlin": '/** SAID. */\nfun f(): String { return "KEPT" } // SAID\nfun g() = run { "KEPT" }\n',
    "scala": '/** SAID. */\nobject A { def f: String = { "KEPT" } } // SAID\n',
    "swift": '/// SAID.\n/* SAID */\nfunc f() -> String { "KEPT" } // SAID\n',
    "bash": '#!/bin/bash\n# SAID.\nf() { echo "KEPT # KEPT"; } # SAID\n',
    "elixir": (
        '# SAID.\ndefmodule KEPT do\n  @moduledoc """\n  SAID.\n  """\n  @typedoc "SAID"\n  @type t :: KEPT\n'
        '  @doc "SAID."\n  @docs "KEPT"\n  def f, do: "KEPT"\nend\n'
    ),
    "haskell": '-- | SAID.\n-- SAID\n{- SAID -}\nf :: String\nf = "KEPT -- KEPT" -- ^ SAID\n',
    "lua": '--- SAID.\n--[[ SAID ]]\nfunction f() return "KEPT -- KEPT" end\n',
    "zig": '//! SAID\n/// SAID.\nfn f() []const u8 { return "KEPT // KEPT"; } // SAID\n',
    "sql": "-- SAID.\n/* SAID */\nSELECT 'KEPT -- KEPT' FROM t;\n",
}


def test_every_language_of_code_has_an_example():
    assert EXAMPLES.keys() == {language.name for language in LANGUAGES if not language.document}


@pytest.mark.parametrize("language", EXAMPLES)
def test_what_is_said_goes_and_what_is_done_stays(language):
    text = EXAMPLES[language]
    stripped = without_docstrings(text, language)
    assert "SAID" in text
    assert "SAID" not in stripped
    assert stripped.count("KEPT") == text.count("KEPT") > 0
    assert without_docstrings(stripped, language) == stripped


@pytest.mark.parametrize("language", ["", None, "klingon", "markdown", "json", "html", "css"])
def test_other_texts_stay_as_they_are(language):
    text = "# Title  \n\n<!-- said --> // said\n'''said'''\n"
    assert without_docstrings(text, language) == text


@pytest.mark.parametrize("language", ["python", "Py", "PYTHON3", " python "])
def test_a_language_goes_by_all_its_names(language):
    assert without_docstrings("x = 1  # said", language) == "x = 1"


@pytest.mark.parametrize("text", ["", "\n", "# said", "# said\n", '"""said"""', '"""said\nsaid"""\n# said'])
def test_where_nothing_is_done_nothing_is_left(text):
    assert without_docstrings(text, "python").strip() == ""


def test_lines_that_held_nothing_else_go_and_blank_ones_stay():
    text = "# said\n\nx = 1\n\n# said\n# said\ny = 2  # said\n"
    assert without_docstrings(text, "python") == "\nx = 1\n\ny = 2\n"


def test_only_the_first_string_of_a_body_is_a_docstring():
    text = 'def f():\n    # said\n    """said"""\n    "kept"\n    g("kept")\n\n\nx = "kept"\n"kept"\n'
    assert without_docstrings(text, "python") == 'def f():\n    "kept"\n    g("kept")\n\n\nx = "kept"\n"kept"\n'


def test_php_needs_no_opening_tag():
    text = "/** said */\nfunction f() { // said\n  return '# kept'; # said\n}\n"
    assert without_docstrings(text, "php") == "function f() {\n  return '# kept';\n}\n"
    page = "<p>// kept</p>\n<?php\n// said\nf();\n"
    assert without_docstrings(page, "php") == "<p>// kept</p>\n<?php\nf();\n"


def test_characters_of_several_bytes_are_not_cut():
    text = 'def größe(é):\n    """said: 大小 ü"""\n    return "大小 kept"  # 大 said\n'
    assert without_docstrings(text, "python") == 'def größe(é):\n    return "大小 kept"\n'


@pytest.mark.parametrize(
    "text",
    [
        "def broken(:\n  '''said",
        "/* never closed",
        "x = 1 \x00 # said",
        "half \ud800 # said",
        "(" * 5000,
        "\r\n# said\r\n",
    ],
)
@pytest.mark.parametrize("language", ["python", "java", "php", "haskell"])
def test_no_text_is_too_broken(text, language):
    stripped = without_docstrings(text, language)
    assert len(stripped.split("\n")) <= len(text.split("\n"))
    assert len(stripped) <= len(text)


def constants(text):
    """Return what the code of a Python text works with."""
    found = [node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)]
    return sorted(str(value) for value in found if value in (1, "kept"))


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    st.lists(st.sampled_from(["x = 1", "# said", '"""said"""', "def f(): pass", "g('kept')  # said", "if x: 1", ""]))
)
def test_what_python_reads_it_reads_the_same_once_stripped(lines):
    text = "\n".join(lines)
    stripped = without_docstrings(text, "python")
    assert constants(stripped) == constants(text)
    assert "#" not in stripped
    assert ast.get_docstring(ast.parse(stripped)) is None or lines.count('"""said"""') > 1
