"""The table of languages: names, aliases, file endings, interpreters, comments and grammars.

Nothing is parsed here, and no grammar is loaded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

_C_COMMENTS = ("//", "/*")
# Suffixes that say nothing of the language of what stands before them.
_TEMPLATE_ENDINGS = (".in", ".tmpl", ".template", ".example", ".dist")
_SHEBANG = re.compile(rb"#!\s*(?:\S*/)?(?:env\s+(?:-\S+\s+|\w+=\S*\s+)*(?:\S*/)?)?([A-Za-z+#]+)")


@dataclass(frozen=True, slots=True)
class Language:
    """A language of the table.

    `grammar` is the module that holds the grammar, `factory` the function in it; `comments` are what
    a comment line may begin with, "/*" and "{-" standing for a block; `document` is True where units are
    sections, and `section_lines` says up to how many lines neighbouring sections are joined.
    """

    name: str
    endings: tuple[str, ...]
    grammar: str
    factory: str = "language"
    aliases: tuple[str, ...] = ()
    filenames: tuple[str, ...] = ()
    interpreters: tuple[str, ...] = ()
    comments: tuple[str, ...] = ()
    document: bool = False
    section_lines: int = 0


# A screenful: long enough to spare an index of one-line rules, short enough to show as a hit.
_SCREEN = 30

LANGUAGES: tuple[Language, ...] = (
    Language(
        "python",
        (".py", ".pyi", ".pyw"),
        "tree_sitter_python",
        aliases=("py", "python3"),
        filenames=("SConstruct", "SConscript", "wscript"),
        interpreters=("python", "pypy"),
        comments=("#",),
    ),
    Language(
        "javascript",
        (".js", ".jsx", ".mjs", ".cjs"),
        "tree_sitter_javascript",
        aliases=("js", "jsx", "node", "ecmascript"),
        filenames=("Jakefile",),
        interpreters=("node", "nodejs"),
        comments=_C_COMMENTS,
    ),
    Language(
        "typescript",
        (".ts", ".tsx", ".mts", ".cts"),
        "tree_sitter_typescript",
        "language_tsx",
        aliases=("ts", "tsx"),
        interpreters=("deno", "ts-node", "bun"),
        comments=_C_COMMENTS,
    ),
    Language("go", (".go",), "tree_sitter_go", aliases=("golang",), comments=_C_COMMENTS),
    Language("java", (".java",), "tree_sitter_java", comments=_C_COMMENTS),
    Language(
        "php",
        (".php", ".phtml", ".php5", ".inc"),
        "tree_sitter_php",
        "language_php",
        interpreters=("php",),
        comments=("//", "/*", "#"),
    ),
    Language(
        "ruby",
        (".rb", ".rake", ".gemspec", ".ru"),
        "tree_sitter_ruby",
        aliases=("rb",),
        filenames=("Rakefile", "Gemfile", "Vagrantfile", "Podfile", "Guardfile"),
        interpreters=("ruby",),
        comments=("#",),
    ),
    Language("rust", (".rs",), "tree_sitter_rust", aliases=("rs",), comments=_C_COMMENTS),
    Language("c", (".c", ".h"), "tree_sitter_c", comments=_C_COMMENTS),
    Language(
        "c++",
        (".cpp", ".cc", ".cxx", ".c++", ".hpp", ".hh", ".hxx", ".h++", ".ipp", ".tpp", ".inl", ".cu", ".cuh"),
        "tree_sitter_cpp",
        aliases=("cpp", "cxx", "cplusplus"),
        comments=_C_COMMENTS,
    ),
    Language(
        "c#",
        (".cs", ".csx"),
        "tree_sitter_c_sharp",
        aliases=("cs", "csharp", "c_sharp"),
        comments=_C_COMMENTS,
    ),
    Language("kotlin", (".kt", ".kts"), "tree_sitter_kotlin", aliases=("kt",), comments=_C_COMMENTS),
    Language(
        "scala",
        (".scala", ".sc", ".sbt"),
        "tree_sitter_scala",
        interpreters=("scala",),
        comments=_C_COMMENTS,
    ),
    Language("swift", (".swift",), "tree_sitter_swift", interpreters=("swift",), comments=_C_COMMENTS),
    Language(
        "bash",
        (".sh", ".bash", ".zsh", ".ksh", ".bats"),
        "tree_sitter_bash",
        aliases=("sh", "shell", "zsh"),
        filenames=(".bashrc", ".bash_profile", ".profile", ".zshrc", "PKGBUILD"),
        interpreters=("sh", "bash", "zsh", "dash", "ksh", "ash"),
        comments=("#",),
    ),
    Language(
        "elixir",
        (".ex", ".exs"),
        "tree_sitter_elixir",
        aliases=("ex", "exs"),
        filenames=("mix.lock",),
        interpreters=("elixir",),
        comments=("#",),
    ),
    Language(
        "haskell",
        (".hs", ".hsc"),
        "tree_sitter_haskell",
        aliases=("hs",),
        interpreters=("runhaskell", "runghc"),
        comments=("--", "{-"),
    ),
    Language("lua", (".lua", ".rockspec"), "tree_sitter_lua", interpreters=("lua", "luajit"), comments=("--",)),
    Language("zig", (".zig", ".zon"), "tree_sitter_zig", comments=("//",)),
    Language(
        "sql",
        (".sql", ".ddl", ".pgsql", ".psql"),
        "tree_sitter_sql",
        aliases=("postgresql", "mysql", "plpgsql"),
        comments=("--", "/*"),
    ),
    Language(
        "html",
        (".html", ".htm", ".xhtml"),
        "tree_sitter_html",
        aliases=("htm",),
        comments=("<!--",),
        document=True,
        section_lines=_SCREEN,
    ),
    Language("css", (".css",), "tree_sitter_css", comments=("/*",), document=True, section_lines=_SCREEN),
    Language(
        "markdown",
        (".md", ".markdown", ".mdown", ".mkd", ".mdx"),
        "tree_sitter_markdown",
        aliases=("md",),
        document=True,
    ),
    Language(
        "json",
        (".json", ".jsonc", ".geojson", ".webmanifest", ".json5"),
        "tree_sitter_json",
        filenames=(".babelrc", ".eslintrc", ".prettierrc", "composer.lock", "Pipfile.lock"),
        document=True,
        section_lines=_SCREEN,
    ),
    Language(
        "yaml",
        (".yaml", ".yml"),
        "tree_sitter_yaml",
        aliases=("yml",),
        filenames=(".clang-format", ".clang-tidy"),
        comments=("#",),
        document=True,
        section_lines=_SCREEN,
    ),
    Language(
        "toml",
        (".toml",),
        "tree_sitter_toml",
        filenames=("Cargo.lock", "poetry.lock", "uv.lock", "Pipfile"),
        comments=("#",),
        document=True,
    ),
)

# A header is C unless it says a word that only C++ has.
_CPP_HEADER = re.compile(rb"^\s*(?:class\s+\w|namespace\b|template\s*<|using\s+\w|public:|private:)", re.M)


def by_name(name: str) -> Language | None:
    """Return the language of a canonical name or an alias, in any case; None if there is none."""
    return _by_name().get(name.strip().lower())


def detect(path: str, head: bytes = b"") -> Language | None:
    """Return the language of a file by its name, else by the shebang in `head`; None if none fits."""
    filename = path.replace("\\", "/").rpartition("/")[2]
    language = _by_filename().get(filename) or _by_ending(filename) or _by_shebang(head)
    if language is not None and filename.endswith(".h") and _CPP_HEADER.search(head):
        return by_name("c++")
    return language


def _by_ending(filename: str) -> Language | None:
    stem = filename.lower()
    for ending in _TEMPLATE_ENDINGS:
        stem = stem.removesuffix(ending)
    return _endings().get("." + stem.rpartition(".")[2]) if "." in stem else None


def _by_shebang(head: bytes) -> Language | None:
    match = _SHEBANG.match(head)
    return _by_interpreter().get(match[1].decode("ascii")) if match else None


@cache
def _by_name() -> dict[str, Language]:
    return {name: language for language in LANGUAGES for name in (language.name, *language.aliases)}


@cache
def _by_filename() -> dict[str, Language]:
    return {name: language for language in LANGUAGES for name in language.filenames}


@cache
def _endings() -> dict[str, Language]:
    return {ending: language for language in LANGUAGES for ending in language.endings}


@cache
def _by_interpreter() -> dict[str, Language]:
    return {name: language for language in LANGUAGES for name in language.interpreters}
