import inspect
import json
import linecache
import os
import random
import re
import sysconfig
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.errors import QueryError
from indexer.types import Kind, Unit
from search.query import MAX_QUERY, FieldFilter, Query, compile_phrase, compile_regex, parse, unparse


def words(text: str) -> list[str]:
    return [word.text for word in parse(text).words]


def refused(text: str) -> QueryError:
    with pytest.raises(QueryError) as caught:
        parse(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("", 0, "empty"),
        (" \t\n ", 0, "empty"),
        ("a" * (MAX_QUERY + 1), MAX_QUERY, "at most 100,000"),
        ("lone \ud800 surrogate", 5, "surrogate"),
        ('"never closed', 0, "column 1 is never closed"),
        ('find "never closed', 5, "column 6 is never closed"),
        ('find -"never closed', 6, "never closed"),
        ('"ends in a backslash\\"', 0, "never closed"),
        ('path:"my dir', 5, "never closed"),
        ('lang:""', 0, "no value"),
        ('lang:"",', 0, "no value"),
        ("langg:python", 0, "unknown field 'langg' at column 1; did you mean 'lang'"),
        ("sort pth:src", 5, "unknown field 'pth' at column 6; did you mean 'path'"),
        ("-knid:class", 0, "did you mean 'kind'"),
        ("language:go", 0, "did you mean 'lang'"),
        ("langauges:go", 0, "did you mean 'lang'"),
        ("reposotry:x", 0, "did you mean 'repo'"),
        ("x -extenson:py", 2, "did you mean 'ext'"),
        ("repository:flask", 0, "lang, repo, path, kind, sym, ext"),
        ("kind:gadget x", 0, "unknown kind 'gadget' at column 1"),
        ("x kind:clas", 2, "did you mean 'class'"),
        ("kind:x*", 0, "unknown kind"),
        ("/(/", 0, "missing )"),
        ("a /x[/", 2, "column 3 cannot be used: missing ]"),
        ("/foo(?=bar)/", 0, "look-around and back-references are not supported"),
        ("/(?<!a)b/", 0, "look-around"),
        (r"/(a)\1/", 0, "back-references"),
        ("/a*/", 0, "matches the empty string"),
        ("/^/", 0, "matches the empty string"),
        (r"/\b/", 0, "matches the empty string"),
        ("/foo|/", 0, "matches the empty string"),
        (r"-/\B/", 0, "matches the empty string"),
        ("/" + "a" * 1_001 + "/", 0, "longer than 1,000"),
        (r"/(\pL{1,900}x)+/", 0, "too large"),
        ("/.{999}x.{999}/", 0, "too large"),
        ("x lang:zzzzzz", 2, "unknown language 'zzzzzz' at column 3"),
        ("x lang:go,pyton", 2, "did you mean 'python'"),
        ('"' + "a" * 1_001 + '"', 0, "at most 1,000"),
        ("path:" + "a" * 201, 0, "at most 200"),
        ("-a" + "b" * 1_000, 0, "at most 1,000"),
        ('"a" ' * 65, 256, "more than 64"),
        ("lang:" + "a," * 65, 0, "more than 64"),
    ],
)
def test_a_faulty_query_is_refused_with_its_position(text: str, position: int, message: str) -> None:
    error = refused(text)
    assert message in str(error)
    assert error.position == position


@pytest.mark.parametrize(
    "text",
    [
        "how do I sort a list of tuples?",
        "don't repeat the user's name",
        'a 6" pipe',
        "std::vector http://x a ? b : c",
        "dict[str:int]",
        "TypeError: x is not a function",
        "self.x:int",
        "text:foo next:Node exit:0 sum:int",
        "host:port foo:bar",
        "env:prod page:2 line:3 log:x set:y key:value tag:v1 extends:x",
        "lang: python",
        "path::join path://x kind:=1 ext:)",
        "Lang:go",
        "find /usr/bin and /usr/lib",
        "difference between /bin and /usr/local/",
        "/foo(bar)",
        "/foo(bar never closes",
        "x /foo\\d+ /a.*b/g",
        "/users/[id]/page",
        "/boot/config-$(uname -r)  -a",
        "/Applications/Sublime\\ Text.app/x",
        "calculate a / b / c",
        "// a comment //",
        "/* a comment */",
        "and/or/",
        "--verbose -x -1 - -- -> -=",
        "C++ c#",
        "'single quotes' are words",
        "price\u00a0in € – naïve",
        "a\x00b",
    ],
)
def test_plain_text_is_words_and_nothing_else(text: str) -> None:
    query = parse(text)
    assert query.free_text == " ".join(query.text.split())
    assert (query.phrases, query.regexes, query.filters, query.excluded_words) == ((), (), (), ())


def test_every_part_of_the_language_is_read() -> None:
    text = r'retry "time out" /x+y/i -slow -"a b" -/z\/z/ lang:go,rust -path:"my dir/*" backoff'
    query = parse(text)
    assert [(word.text, word.position) for word in query.words] == [("retry", 0), ("backoff", 75)]
    assert [(phrase.text, phrase.position) for phrase in query.phrases] == [("time out", 6)]
    assert [(regex.source, regex.ignore_case) for regex in query.regexes] == [("x+y", True)]
    assert query.filters == (
        FieldFilter("lang", ("go", "rust"), position=45),
        FieldFilter("path", ("my dir/*",), negated=True, position=58),
    )
    assert [word.text for word in query.excluded_words] == ["slow"]
    assert [phrase.text for phrase in query.excluded_phrases] == ["a b"]
    assert [regex.source for regex in query.excluded_regexes] == [r"z\/z"]
    assert query.free_text == "retry time out backoff"
    assert not query.literal


def test_backslashes_make_words_of_syntax() -> None:
    query = parse(r"\"x \-y \/z/ \lang:go \langg:go \d")
    assert [word.text for word in query.words] == ['"x', "-y", "/z/", "lang:go", "langg:go", "\\d"]


def test_backslashes_escape_quotes_within_quotes() -> None:
    assert parse(r'"say \"hi\" to C:\\dir\n"').phrases[0].text == r'say "hi" to C:\dir\n'
    assert parse(r'path:"a\"b",c').filters[0].values == ('a"b', "c")


def test_what_follows_a_closing_quote_is_text() -> None:
    query = parse('"a b"-c "d","e"')
    assert [phrase.text for phrase in query.phrases] == ["a b", "d"]
    assert [word.text for word in query.words] == ["-c", ',"e"']
    assert query.excluded_words == ()


def test_an_empty_phrase_is_a_word() -> None:
    assert words('what does "" mean') == ["what", "does", '""', "mean"]
    assert words('-""') == ['-""']


@pytest.mark.parametrize(
    "code",
    [
        'x = foo("a", "b")',
        'foo("a", "b")',
        "def foo(x): return -bar /x/",
        'public String toString() {return "a b";}',
        'if (x != "a") { return /x/; }',
        '#include "stdio.h" -foo',
        'import x from "y"',
        '{"key": "value", "other": "-x"}',
        "for (int i = 0; i < n; i++) -x",
        'find . -name "*.py" -print',
        'git commit -am "message"',
        'echo "unclosed\nlang:go -foo /x/',
    ],
)
def test_pasted_code_is_literal(code: str) -> None:
    query = parse(code)
    assert query.literal
    assert [word.text for word in query.words] == code.split()
    assert query.free_text == code
    assert (query.phrases, query.regexes, query.filters, query.excluded_words) == ((), (), (), ())


@pytest.mark.parametrize(
    "text",
    [
        '"print(x); y = {}" -test',
        "/def \\w+\\(x\\);/ -test",
        "std::sort() -test",
        "== or === -test",
        "file(s) -test",
    ],
)
def test_code_within_quotes_or_in_passing_is_not_literal(text: str) -> None:
    query = parse(text)
    assert not query.literal
    assert [word.text for word in query.excluded_words] == ["test"]


def test_fields_before_pasted_code_stay_fields() -> None:
    code = 'func main() {\n\tfmt.Println("x") -y\n}'
    query = parse(f"lang:go -path:vendor {code}\n")
    assert query.literal
    assert [(field.field, field.negated) for field in query.filters] == [("lang", False), ("path", True)]
    assert query.free_text == code


def test_fields_alone_are_a_query() -> None:
    query = parse("kind:class path:src\n")
    assert (query.free_text, query.literal, len(query.filters)) == ("", False, 2)


def unit(**fields: object) -> Unit:
    values: dict[str, object] = {
        "id": "1", "repository": "pallets/flask", "path": "src/flask/app.py", "language": "python",
        "kind": Kind.METHOD, "symbol": "Flask.run", "signature": "", "docstring": "",
        "start_line": 1, "end_line": 2, "text": "x", **fields,
    }  # fmt: skip
    return Unit(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("path:src/http", "src/http/get.go", True),
        ("path:src/http", "lib/SRC/Http.py", True),
        ("path:src/http", "src/https/get.go", False),
        ("path:http", "src/my_http.py", False),
        ("path:/src", "src/a.py", True),
        ("path:/src", "lib/src/a.py", False),
        ("path:src/", "lib/src/a.py", True),
        ("path:src/", "lib/src.py", False),
        ("path:src/*.py", "src/a.py", True),
        ("path:src/*.py", "src/b/a.py", False),
        ("path:src/**/*.py", "src/a.py", True),
        ("path:src/**/*.py", "src/b/c/a.py", True),
        ("path:src/**", "src/b/c/a.py", True),
        ("path:**/test?.py", "test1.py", True),
        ("path:*.py", "src/a.py", True),
        ("path:/*.py", "src/a.py", False),
        ("path:test_*", "a/test_x/b.py", True),
        ("path:*.py", "src/a.pyi", False),
        ("path:a.b", "axb", False),
        ("path:[ab]+", "a", False),
        ('path:"my dir/*"', "my dir/a\nb", True),
        ("-path:src", "src/a.py", False),
        ("-path:src", "lib/a.py", True),
        ("lang:go,rust", "rust", True),
        ("lang:go", "golang", False),
        ("lang:type*", "typescript", True),
        ("-lang:go,rust", "rust", False),
        ("-lang:go,rust", "python", True),
        ("kind:func", "function", True),
        ("kind:struct", "class", True),
        ("kind:fn,method", "method", True),
        ("kind:m*", "module", True),
        ("kind:function", "method", False),
        ("sym:run", "Flask.run", True),
        ("sym:flask.RUN", "Flask.run", True),
        ("sym:Flask::run()", "app.Flask#run", True),
        ("sym:un", "Flask.run", False),
        ("sym:Flask", "Flask.run", False),
        ("sym:Flask.*", "Flask.run", True),
        ("sym:r*n", "Flask.run", True),
        ("sym:a*n", "a.run", False),
        ("sym:a**n", "a.b.run", True),
        ("ext:py", "src/a.py", True),
        ("ext:.py", "src/a.py", True),
        ("ext:py", "src/py", False),
        ("ext:py", "src/a.pyi", False),
        ("ext:d.ts", "src/a.d.ts", True),
        ("ext:py*", "src/a.pyi", True),
        ("repo:flask", "pallets/flask", True),
        ("repo:pallets/*", "pallets/click", True),
        ("repo:fla", "pallets/flask", False),
        ("repo:*sk", "flask", True),
    ],
)
def test_filters_accept_values(text: str, value: str, expected: bool) -> None:
    assert parse(text).filters[0].matches(value) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lang:python", True),
        ("repo:flask", True),
        ("path:src/flask", True),
        ("kind:method", True),
        ("kind:class", False),
        ("sym:run", True),
        ("-sym:run", False),
        ("ext:py", True),
        ("ext:go", False),
    ],
)
def test_filters_accept_units(text: str, expected: bool) -> None:
    assert parse(text).filters[0].accepts(unit()) is expected


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("lang:py,GOLANG", ("python", "go")),
        ("lang:Text", ("text",)),
        ("-lang:c++", ("c++",)),
        ("lang:R*", ("r*",)),
    ],
)
def test_languages_are_resolved_by_the_language_table(text: str, values: tuple[str, ...]) -> None:
    assert parse(text).filters[0].values == values


def test_languages_are_resolved_by_the_function_given() -> None:
    aliases = {"py": "python", "python": "python", "rust": "rust"}
    query = parse("lang:PY,r*", lambda name: aliases.get(name.lower()), aliases.values())
    assert query.filters[0].values == ("python", "r*")
    with pytest.raises(QueryError, match="unknown language 'pyton' at column 3; did you mean 'python'"):
        parse("x lang:pyton", lambda name: aliases.get(name.lower()), aliases.values())


@pytest.mark.parametrize(
    ("phrase", "text", "expected"),
    [
        ("open file", "an open \n\t file here", True),
        ("open file", "reopen file", False),
        ("open file", "open files", False),
        ("open file", "Open FILE", True),
        ("Open file", "open file", False),
        ("a.b", "axb", False),
        (".get(", "x.get(y)", True),
        ("foo_bar", "x.foo_bar()", True),
        ("foo", "foo_bar", False),
        ("(?i)x*", "(?i)x*", True),
        ("naïve été", "NAÏVE  ÉTÉ", True),
    ],
)
def test_phrases_match_whole_words(phrase: str, text: str, expected: bool) -> None:
    assert (compile_phrase(phrase).search(text) is not None) is expected


def test_a_blank_phrase_cannot_be_compiled() -> None:
    with pytest.raises(ValueError, match="at least one character"):
        compile_phrase(" \n")


@pytest.mark.parametrize(
    ("text", "subject", "expected"),
    [
        ("/^b.$/", "a\nbc\nd", True),
        ("/a.b/", "a\nb", False),
        (r"/a\s+b/", "a\n b", True),
        ("/foo/", "FOO", True),
        ("/Foo/", "foo", False),
        ("/Foo/i", "foo", True),
        (r"/\Sx\p{Lu}/", "ax", False),
        (r"/\Wfoo/", "(FOO", True),
        (r"/a\/b/", "a/b", True),
        ("/(?P<N>a)b/", "AB", True),
    ],
)
def test_regular_expressions_match_by_line_and_smart_case(text: str, subject: str, expected: bool) -> None:
    (pattern,) = parse(text).marked_patterns()
    assert (pattern.search(subject) is not None) is expected


def test_each_word_phrase_and_expression_has_its_pattern() -> None:
    query = parse('retry "Time  out" /x+y$/')
    assert query.words[0].pattern.search("a RETRY") is not None
    assert query.words[0].pattern.search("retrying") is None
    assert query.phrases[0].pattern.search("Time\nout") is not None
    assert query.phrases[0].pattern.search("time out") is None
    assert query.regexes[0].pattern.search("xxy\nz") is not None


@pytest.mark.parametrize(
    ("text", "demanded"),
    [
        ('"exact phrase"', True),
        ('"a whole sentence that somebody remembers word by word"', True),
        ('handler "a whole sentence that somebody remembers"', True),
        ('"connection reset" retry handler', True),
        ('retry "reset" lang:go path:src kind:method sym:Pool', True),
        ('where is "user not found" raised', False),
        ('Expected "=" after name "birthday" got "7"', False),
        ('Error: "title" not defined in [object Object] - 3:4', False),
    ],
)
def test_what_a_sentence_quotes_is_a_wish(text: str, demanded: bool) -> None:
    query = parse(text)
    assert query.demanded == (query.phrases if demanded else ())
    assert len(query.marked_patterns()) == len(query.phrases) > 0


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("what happens to repeated -Dkey=val settings here", "-Dkey=val"),
        ("copy all files that match to /tmp/ and back", "/tmp/"),
        ("what is written to the folder /var/", "/var/"),
        ('why does it say Unexpected "end of input here', '"end'),
    ],
)
def test_a_sentence_has_paths_options_and_open_quotes_as_words(text: str, word: str) -> None:
    query = parse(text)
    assert word in [each.text for each in query.words]
    assert (query.phrases, query.regexes, query.excluded_words) == ((), (), ())
    assert query.free_text == text


@pytest.mark.parametrize(
    ("text", "excluded"),
    [
        ("where are the retries of requests delayed -test", ("test",)),
        ("-test where are the retries of requests delayed", ("test",)),
        ("parse json -test lang:go", ("test",)),
        ("parse -test json path:src repo:shop kind:method sym:Pool ext:py", ("test",)),
    ],
)
def test_before_and_after_a_sentence_exclusions_are_exclusions(text: str, excluded: tuple[str, ...]) -> None:
    assert tuple(each.text for each in parse(text).excluded_words) == excluded


def test_an_expression_is_one_within_a_sentence_too() -> None:
    assert [each.source for each in parse(r"where is the answer of /def\s+answer/ used later").regexes] == [
        r"def\s+answer"
    ]


def test_excluded_patterns_hold_words_phrases_and_expressions() -> None:
    patterns = parse('x -mock -"a b" -/c+d/').excluded_patterns()
    assert [bool(p.search("a Mock here")) for p in patterns] == [True, False, False]
    assert [bool(p.search("a b ccd")) for p in patterns] == [False, True, True]
    assert compile_regex("c+d").search("ccd") is not None


@pytest.mark.timeout(60)  # backtracking would not end
def test_a_slow_expression_for_others_is_fast() -> None:
    assert compile_regex("(x+x+)+y").search("x" * 50_000) is None


def test_the_most_and_longest_globs_compile() -> None:
    for glob in ("*a" * 90, "**/" * 60, "?" * 190, "é*" * 90):
        values = ",".join(f"{glob}{number}" for number in range(64))
        assert not parse(f"path:{values}").filters[0].matches("a/b.py")


def without_positions(query: Query) -> Query:
    asked = ("words", "phrases", "regexes")
    names = (*asked, *(f"excluded_{name}" for name in asked), "filters")
    parts = {name: tuple(replace(item, position=0) for item in getattr(query, name)) for name in names}
    return replace(query, text="", **parts)  # type: ignore[arg-type]


def read(text: str) -> tuple[Query | None, int]:
    try:
        return parse(text), 0
    except QueryError as error:
        return None, error.position


ATOMS = [
    "retry",
    "-mock",
    '"',
    '"a b"',
    "-",
    "/",
    "/x+y/",
    "/x/i",
    "lang:",
    "lang:go",
    "-path:",
    '"q r"',
    ",",
    ":",
]
ATOMS += [
    "kind:",
    "func",
    "sym:a.b",
    "ext:py",
    "\\",
    " ",
    "  ",
    "\n",
    "(",
    ")",
    ";",
    "{",
    " = ",
    "x(",
    "/usr/bin",
]
queries = st.one_of(st.text(), st.lists(st.sampled_from(ATOMS), max_size=12).map("".join))


@settings(max_examples=500, deadline=None, derandomize=True)
@given(queries)
def test_any_text_is_read_or_refused_with_a_position(text: str) -> None:
    query, position = read(text)
    assert 0 <= position <= len(text)
    if query is not None:
        assert query.text == text
        assert all(not text[word.position].isspace() for word in query.words)
        assert isinstance(query.free_text, str)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(queries)
def test_unparse_gives_the_same_query(text: str) -> None:
    query, _ = read(text)
    if query is not None:
        again = parse(unparse(query))
        assert without_positions(again) == without_positions(query)


PIECES = [
    "a ",
    '\\"',
    '"\\" ',
    "/\\/ ",
    "lang:",
    "lang:a ",
    'path:"a,',
    "-ab",
    "(",
    "<a ",
    "import from ",
    "é\n",
    "a = ",
    "repositoxxxx:a ",
    "/a(",
]


@pytest.mark.timeout(60)  # each takes some 0.1 s; quadratic work would take minutes
@pytest.mark.parametrize("piece", PIECES)
def test_the_longest_queries_are_read_or_refused_at_once(piece: str) -> None:
    text = (piece * MAX_QUERY)[:MAX_QUERY]
    query, position = read(text)
    assert query is None or query.text == text
    assert position < MAX_QUERY


def library_lines() -> list[str]:
    folder = Path(sysconfig.get_paths()["stdlib"])
    names = ("argparse", "ast", "asyncio/tasks", "email/message", "http/client", "json/decoder", "textwrap")
    sources = [(folder / f"{name}.py").read_text(encoding="utf-8") for name in names]
    tokens = [line.strip() for source in sources for line in source.splitlines() if line.strip()]
    return random.Random(7).sample(tokens, 300)


def test_lines_of_real_code_are_free_text() -> None:
    for line in library_lines():
        query = parse(line)
        assert (query.regexes, query.filters, query.excluded_words) == ((), (), ()), line
        assert re.sub(r'[\s"\\]', "", query.free_text) == re.sub(r'[\s"\\]', "", line)


def test_whole_functions_are_literal() -> None:
    for function in (json.dumps, linecache.getlines, random.Random.sample):
        source = inspect.getsource(function)
        query = parse(source)
        assert query.literal
        assert query.free_text == source.strip()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cosqa-dev", "mbpp-recorded", "java-csharp-dev"])
def test_questions_of_the_benchmarks_are_read(name: str) -> None:
    root = os.environ.get("FATHOM_DATA")
    if not root:
        pytest.skip("FATHOM_DATA, the folder of the evaluation sets, is not set")
    lines = (Path(root) / name / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    assert len(texts) >= 400
    for text in texts:
        query = parse(text)
        assert not query.regexes
        assert not query.filters
        assert query.free_text.replace('"', "").split() == text.replace('"', "").split()
