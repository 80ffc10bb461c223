import gzip
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from urllib.parse import unquote

import pytest

from indexer.errors import QueryError
from indexer.index import Index, load_encoder
from indexer.settings import Settings
from indexer.watch_status import WatcherStatus, telling
from search.query import parse
from search.types import Hit
from web.app import create_app
from web.cards import active, bad_query, card, facets, without_filters
from web.code_lines import coloured, excerpt
from web.live import live

NASTY = "<script>alert(1)</script>"
PYTHON = f'''"""Reads settings."""


def read_settings(path):
    """Read the settings {NASTY} from a file."""
    text = "{NASTY}"
    return text


class Settings:
    """All that can be set."""

    def save_settings(self, path):
        """Write the settings to a file."""
        path.write_text("settings")
'''


@pytest.fixture
def app(tmp_path, quick, stub_encoder):
    tree = tmp_path / "tree"
    (tree / "lib").mkdir(parents=True)
    (tree / "lib" / "settings.py").write_text(PYTHON)
    (tree / "odd name#1.py").write_text("def odd():\n    return 'settings'\n")
    (tree / "save.go").write_text("package save\n\nfunc SaveSettings(path string) error {\n\treturn nil\n}\n")
    many = "".join(f"def step_{n}(settings):\n    return settings[{n}] + {n}\n\n\n" for n in range(30))
    (tree / "many.py").write_text(many)
    settings = Settings(index=tmp_path / "index", processes=1)
    index = Index.build(settings.index, [str(tree)], settings=settings, encoder=stub_encoder)
    return create_app(settings, index=index, encoder=stub_encoder)


@pytest.fixture
def client(app):
    return app.test_client()


def page(client, address, status=200):
    reply = client.get(address)
    assert reply.status_code == status, reply.text
    assert NASTY not in reply.text
    return reply.text


def links(text, start):
    return [unescape(each) for each in re.findall(r'href="([^"]+)"', text) if each.startswith(start)]


def hit(**fields):
    plain = {
        "rank": 1, "id": "1", "repository": "tree", "path": "a.py", "start_line": 1, "end_line": 2, "language": "python",
        "kind": "function", "symbol": "f", "signature": "", "docstring": "", "score": 1.0, "parts": {}, "lines": (),
        "text": "def f():\n    return 1\n",
    }  # fmt: skip
    return Hit(**{**plain, **fields})


def test_the_start_page_has_the_search_box_and_examples_that_work(client):
    text = page(client, "/")
    assert '<label class="unseen" for="q">' in text
    assert 'role="search"' in text
    examples = links(text, "/?q=")
    assert len(examples) >= 6
    for address in examples:
        page(client, address)


def test_results_are_coloured_numbered_and_linked(client):
    text = page(client, "/?q=read+settings")
    assert "read_settings" in text
    assert '<span class="k">def</span>' in text
    assert re.search(r'<span class="row hit"><a href="/file/tree/lib/settings.py#L\d+"', text)
    assert "Why this result" in text
    assert "<rect" in text


@pytest.mark.parametrize(
    "query", [NASTY, f'"{NASTY}"', '"><script>alert(1)</script>', "x\n<script>alert(1)</script>\n</textarea>"]
)
def test_what_a_query_says_is_never_markup(client, query):
    reply = client.get("/", query_string={"q": query})
    assert reply.status_code == 200
    assert "<script>" not in reply.text
    assert reply.text.count("</textarea>") == ("\n" in query)


def test_code_and_names_are_never_markup(client):
    text = page(client, "/?q=read_settings")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_a_page_may_load_its_own_files_only_and_has_nothing_inline(client):
    reply = client.get("/?q=settings")
    policy = reply.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"\sstyle=|\son\w+=|<style|<script(?! src=)", reply.text)
    own = re.findall(r'(?:<script src|<link [^>]*href)="([^"]+)"', reply.text)
    assert len(own) == 3
    for address in own:
        with client.get(unescape(address)) as file:
            assert file.status_code == 200


def test_the_first_search_is_small(client):
    packing = {"Accept-Encoding": "gzip"}
    packed = client.get("/?q=settings", headers=packing)
    text = gzip.decompress(packed.data).decode()
    assert text.startswith("<!doctype html>")
    files = [
        client.get(address, headers=packing)
        for address in links(text, "/static/") + re.findall(r'src="(/[^"]+)"', text)
    ]
    assert len(files) == 3
    assert {file.headers["Content-Encoding"] for file in files} == {"gzip"}
    assert len(packed.data) + sum(len(file.data) for file in files) <= 60_000


def test_files_of_the_page_are_kept_as_long_as_their_content_stays(client):
    address = links(page(client, "/"), "/static/page.css")[0]
    named = client.get(address)
    assert named.mimetype == "text/css"
    assert "immutable" in named.headers["Cache-Control"]
    assert b"--accent" in named.data
    unnamed = client.get("/static/page.css?v=stale")
    assert "no-cache" in unnamed.headers["Cache-Control"]
    again = client.get("/static/page.css", headers={"If-None-Match": unnamed.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize("name", ["nope.css", "..", "..%2fpages.py", "%2e%2e", "page.css%00", ""])
def test_no_other_file_is_given_away(client, name):
    assert client.get(f"/static/{name}").status_code in (404, 308)


def test_filters_count_what_is_shown_and_narrow(client):
    text = page(client, "/?q=save+settings+error")
    narrowed = [each for each in links(text, "/?q=") if "lang:go" in unquote(each)]
    assert len(narrowed) == 1
    text = page(client, narrowed[0])
    assert "SaveSettings" in text
    assert "read_settings" not in text
    assert "take it away" in text


def test_pages_follow_each_other_without_repeats(client):
    first = page(client, "/?q=settings")
    following = next(each for each in links(first, "/?") if "page=2" in each)
    second = page(client, following)
    mine, others = links(first, "/unit/"), links(second, "/unit/")
    assert mine
    assert others
    assert not set(mine) & set(others)
    assert "There is no page 900" in page(client, "/?q=settings&page=900")


@pytest.mark.parametrize(
    "address", ["/?q=settings&page=x", "/?q=settings&page=-4&k=0", "/?q=settings&k=99999999999999"]
)
def test_wrong_pages_are_taken_for_the_nearest_right_one(client, address):
    assert "settings" in page(client, address)


def test_a_bad_query_is_explained_in_place(client):
    text = page(client, '/?q=settings "open', 400)
    assert "never closed" in unescape(text)
    assert "<mark>&#34;open</mark>" in text
    assert 'role="alert"' in text
    assert 'value="settings &#34;open"' in text


def test_nothing_found_gives_advice(client):
    text = page(client, '/?q=lang:go "zzqq"')
    assert "Nothing found" in text
    assert "ask without any" in text


def test_a_unit_has_a_page_its_text_and_what_is_like_it(client):
    unit = links(page(client, "/?q=read_settings"), "/unit/")[0]
    text = page(client, unit)
    assert 'id="L4"' in text
    assert links(text, "/similar/")
    reply = client.get(unit + "/text")
    assert reply.mimetype == "text/plain"
    assert reply.text.startswith("def read_settings")
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert '<ol class="results">' in page(client, links(text, "/similar/")[0])


@pytest.mark.parametrize(
    "address", ["/unit/nope", "/unit/nope/text", "/similar/nope", "/file/tree/nope.py", "/file/nope/a.py"]
)
def test_what_is_not_there_is_not_found(client, address):
    assert page(client, address, 404)


@pytest.mark.parametrize("address", ["/nope", "/favicon.ico", "/unit/", "/%00", f"/{NASTY}"])
def test_an_address_that_is_none_of_ours_has_a_page_of_its_own(client, address):
    reply = client.get(address)
    assert "There is no such page here." in page(client, address, 404)
    assert "default-src 'self'" in reply.headers["Content-Security-Policy"]
    assert client.get("/api/v1/nope").json["error"]["code"] == "not_found"


def test_a_file_is_shown_with_an_address_for_each_line(client):
    text = page(client, "/file/tree/lib/settings.py")
    assert 'id="L1"' in text
    assert 'id="L4"' in text
    assert '<span class="k">class</span>' in text
    odd = links(page(client, "/?q=sym:odd"), "/file/")[0]
    assert 'id="L1"' in page(client, odd.split("#")[0])


def test_the_index_page_shows_what_it_holds(client):
    text = page(client, "/index")
    for said in ("python", "go", "tree", "Coverage", "depth"):
        assert said in text


def test_help_explains_the_language_with_examples_that_work(client):
    text = page(client, "/help")
    for address in links(text, "/?q="):
        page(client, address)


def test_code_of_several_lines_is_asked_whole(client):
    assert "<textarea" in page(client, "/?form=code")
    reply = client.post("/", data={"q": "def save(path):\r\n    pass"})
    assert reply.status_code == 303
    assert "\n" in unescape(client.get(reply.headers["Location"]).text.split("<textarea")[1].split(">")[1])
    long = "def save(settings):\n" + "    settings.write(path)\n" * 400
    reply = client.post("/", data={"q": long})
    assert reply.status_code == 200
    assert '<form class="pager" method="post"' in reply.text
    assert client.post("/", data={"q": long, "page": "2"}).status_code == 200


def test_a_missing_index_is_said_and_advised(tmp_path, stub_encoder):
    client = create_app(Settings(index=tmp_path / "none"), encoder=stub_encoder).test_client()
    assert "There is no index yet" in page(client, "/?q=settings", 503)
    assert "There is no index yet" in page(client, "/index", 503)
    page(client, "/")


def test_an_index_that_is_being_built_is_said_and_awaited(tmp_path, stub_encoder):
    folder = tmp_path / "index"
    client = create_app(Settings(index=folder), encoder=stub_encoder).test_client()
    with telling(folder, ["tree <b>"]):
        for address in ("/?q=settings", "/index", "/unit/1"):
            reply = client.get(address)
            assert (reply.status_code, reply.headers["Retry-After"]) == (503, "2")
            assert "The index is being built" in reply.text
            assert 'data-await="/readyz"' in reply.text
            assert "Looking through tree &lt;b&gt;" in reply.text
        assert client.get("/").status_code == 200
        assert client.get("/readyz").status_code == 503
    assert "There is no index yet" in page(client, "/?q=settings", 503)


def test_every_page_says_how_up_to_date_the_index_is(client, tmp_path):
    pages = ("/", "/?q=settings", "/?q=%22", "/index", "/help", "/unit/nope")
    assert not any('class="live' in client.get(address).text for address in pages)
    with telling(tmp_path / "index", ["tree"]) as status:
        status.tell("refreshing", 3)
        for address in pages:
            assert "Behind by 3 changed files" in client.get(address).text
        assert 'data-tone="busy"' in page(client, "/live")
        status.tell("watching")
        assert "Up to date with tree" in page(client, "/live")
        status.tell("deepening", 0, "deepening at depth 6: 5 of 9 units")
        assert "5 of 9 units" in page(client, "/index")
        assert "5 of 9 units" not in page(client, "/live")
        status.tell("failed", None, NASTY)
        assert "watching tree failed" in page(client, "/live")
    assert page(client, "/live") == ""


def test_the_worst_is_said_first_and_in_words():
    now = datetime(2030, 1, 1, 12, tzinfo=UTC)

    def said(state, ago, changed=0, sources=("a",), message=""):
        since = (now - timedelta(seconds=ago)).isoformat()
        status = WatcherStatus(state=state, sources=sources, pid=1, since=since, changed=changed, message=message)
        return live([status], now)[0]

    assert said("watching", 9).text == "Up to date with a"
    assert said("deepening", 9, message="5 of 9").more == "5 of 9"
    assert (
        said("refreshing", 0, None, ("a", "b", "c", "d", "e")).text == "Looking through a, b, c and 2 more for a moment"
    )
    assert said("refreshing", 61, 1).text == "Behind by 1 changed file, for 1 minute"
    assert said("refreshing", -5, 2000).text == "Behind by 2,000 changed files, for a moment"
    assert said("failed", 7200, message="disk full").text == "Not kept up to date: watching a failed 2 hours ago."
    assert said("gone", 200_000).tone == "bad"
    several = [
        WatcherStatus(state=state, sources=(state,), pid=1, since=now.isoformat())
        for state in ("watching", "gone", "refreshing", "failed", "deepening")
    ]
    assert [line.tone for line in live(several, now)] == ["bad", "bad", "busy", "good", "good"]


@pytest.mark.slow
def test_where_probably_nothing_answers_a_page_says_so_once(tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "settings.py").write_text(PYTHON)
    settings = Settings(index=tmp_path / "index", processes=1)
    encoder = load_encoder(settings)
    index = Index.build(settings.index, [str(tree)], settings=settings, encoder=encoder)
    client = create_app(settings, index=index, encoder=encoder).test_client()
    text = page(client, "/?q=lang:python+photosynthesis+of+tomato+plants+in+greenhouses")
    assert text.lower().count("probably nothing here answers") == 1
    assert 'class="results is-doubted"' in text
    assert "ask without any" in text
    assert "first hit right" not in text
    text = page(client, "/?q=read+the+settings+from+a+file")
    assert "robably nothing" not in text
    assert "first hit right" in text


def test_a_fault_of_ours_is_a_page_with_the_request_and_nothing_of_the_fault(app, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr("web.pages.card", broken)
    reply = app.test_client().get("/?q=settings")
    assert reply.status_code == 500
    assert reply.headers["X-Request-ID"] in reply.text
    assert "secret" not in reply.text


@pytest.mark.parametrize("language", ["python", "go", "html", "markdown", "no such language"])
@pytest.mark.parametrize("text", ["", "\n", "\n\na\n\n", "a\r\nb\rc\n", "'''x\ny'''\n<b>\t&", "\x00\x0c\u2028\n\ufeff"])
def test_coloured_lines_are_the_lines_of_the_text(language, text):
    lines = coloured(text, language)
    assert len(lines) == text.count("\n") + 1
    for html, line in zip(lines, text.split("\n"), strict=True):
        assert unescape(re.sub(r"<[^>]*>", "", html)).split() == line.replace("\r", " ").split()


def test_an_excerpt_holds_the_first_line_and_those_that_matched():
    text = "".join(f"line {n}\n" for n in range(10, 110))
    code = excerpt(text, "text", 10, (50, 52, 100), "/f")
    assert [line.number for line in code.lines] == [10, 49, 50, 51, 52, 53, 99, 100, 101]
    assert [line.number for line in code.lines if line.hit] == [50, 52, 100]
    assert [line.number for line in code.lines if line.gap] == [49, 99]
    assert code.left_out == 91
    assert code.more


def test_bars_share_one_scale_and_one_axis(app):
    with app.test_request_context():
        shown = card(hit(parts={"vector": 0.6, "noise": -0.2, "rest": 0.0}))
    assert [(bar.label, bar.x, bar.width) for bar in shown.bars] == [
        ("meaning", "50.0", "150.0"),
        ("a test, an example or a benchmark", "0.0", "50.0"),
    ]
    assert shown.axis == "50.0"


def test_filters_are_written_so_that_they_are_read_again(app):
    with app.test_request_context():
        found = facets([hit(repository='a "b", c'), hit()], "x = f(1)\ny", ())
        repositories = [choice.url for facet in found if facet.title == "Repository" for choice in facet.shown]
        client = app.test_client()
        assert [client.get(each).status_code for each in repositories] == [200, 200]
        literal = parse("lang:go x = f(1)\n  y = 2")
        assert "lang" not in active(literal)[0].url
        assert "%0A" in without_filters(literal)
        assert without_filters(parse("lang:go")) == ""


def test_a_fault_at_the_end_of_a_query_has_no_place_to_show():
    assert bad_query("ab ", QueryError("bad", 3)).around is None
    assert bad_query("ab cd", QueryError("bad", 3)).around == ("ab ", "cd", "")
