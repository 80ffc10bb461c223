"""How answers travel: tags, packing, pages of a list, and what is added when it is asked for."""

import gzip
import json

import pytest

pytest.importorskip("flask", reason="the extra `web` is not installed: pip install 'fathom-search[web]'")
from indexer.index import Index
from web.cursor import Place, read, write
from web.errors import Refused

SEARCH = "/api/v1/search?query=read+settings"


@pytest.fixture
def many(tree, build, make):
    """A client of an index of fifty functions."""
    for number in range(50):
        (tree / f"part_{number}.py").write_text(f"def load_{number}(name):\n    return open(name).read({number})\n")
    build().close()
    return make()


def paths(client):
    unit = client.get(f"{SEARCH}&k=1").json["hits"][0]["id"]
    return [
        SEARCH,
        f"/api/v1/similar?id={unit}",
        f"/api/v1/units/{unit}",
        "/api/v1/files/tree/settings.py",
        "/api/v1/status",
        "/api/v1/suggest?prefix=sett",
        "/api/v1/openapi.json",
    ]


def test_what_the_caller_has_is_not_sent_again(client):
    for path in paths(client):
        first = client.get(path)
        tag = first.headers["ETag"]
        assert first.headers["Cache-Control"] == "private, no-cache"
        for held in (tag, f'"other", {tag}', tag.removeprefix("W/")):
            again = client.get(path, headers={"If-None-Match": held})
            assert (again.status_code, again.data) == (304, b""), path
            assert again.headers["ETag"] == tag
            assert again.headers["X-Request-ID"]
        assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200
        assert client.get(path, headers={"If-None-Match": "*"}).status_code == 200
        assert client.head(path, headers={"If-None-Match": tag}).status_code == 304


def test_a_tag_is_of_one_question(client):
    asked = [SEARCH, f"{SEARCH}&k=1", f"{SEARCH}&offset=1", "/api/v1/search?query=save", "/api/v1/suggest?prefix=s"]
    assert len({client.get(path).headers["ETag"] for path in asked}) == len(asked)


def test_a_wrong_request_is_wrong_whatever_the_caller_has(client, error):
    tag = client.get(SEARCH).headers["ETag"]
    error(client.get(f"{SEARCH}&k=0", headers={"If-None-Match": tag}), 400, "invalid_request")
    for held in (tag, "*"):
        error(client.get("/api/v1/units/none", headers={"If-None-Match": held}), 404, "not_found")
    assert "ETag" not in client.get("/api/v1/units/none").headers
    assert "ETag" not in client.post("/api/v1/search", json={"query": "read"}).headers


def test_no_stale_answer_after_a_new_generation(client, tree, build):
    asked = [SEARCH, "/api/v1/status", "/api/v1/suggest?prefix=sett", "/api/v1/files/tree/settings.py"]
    before = {path: client.get(path).headers["ETag"] for path in asked}
    (tree / "more.py").write_text("def read_settings_again():\n    return 1\n")
    build().close()
    for path, tag in before.items():
        reply = client.get(path, headers={"If-None-Match": tag})
        assert reply.status_code == 200
        assert reply.headers["ETag"] != tag
    assert "read_settings_again" in {hit["symbol"] for hit in client.get(SEARCH).json["hits"]}


def test_an_index_that_was_here_before_has_other_tags(make, settings, tmp_path, stub_encoder, index):
    """Two indexes of the same generation, one after the other in one place."""
    from web.app import create_app

    before = make().get(SEARCH)
    (tmp_path / "tree" / "settings.py").write_text("def read_settings():\n    return 'another'\n")
    other = settings.model_copy(update={"index": tmp_path / "other"})
    made = Index.build(other.index, [str(tmp_path / "tree")], settings=other, encoder=stub_encoder)
    after = create_app(other, made, stub_encoder).test_client().get(SEARCH)
    assert before.json["generation"] == after.json["generation"]
    assert before.headers["ETag"] != after.headers["ETag"]


def test_long_answers_are_packed_for_those_who_take_it(many):
    plain = many.get(f"{SEARCH}&k=20")
    assert "Content-Encoding" not in plain.headers
    assert "Accept-Encoding" in plain.headers["Vary"]
    packed = many.get(f"{SEARCH}&k=20", headers={"Accept-Encoding": "br, gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.data) < len(plain.data) / 3
    assert int(packed.headers["Content-Length"]) == len(packed.data)
    found, expected = json.loads(gzip.decompress(packed.data)), plain.json
    assert found.pop("took_ms")
    assert expected.pop("took_ms")
    assert found == expected
    for refused in ("gzip;q=0", "identity", "br"):
        assert "Content-Encoding" not in many.get(f"{SEARCH}&k=20", headers={"Accept-Encoding": refused}).headers
    assert "Content-Encoding" not in many.get("/healthz", headers={"Accept-Encoding": "gzip"}).headers
    with many.post("/api/v1/batch", data=b'{"query": "read"}', headers={"Accept-Encoding": "gzip"}) as reply:
        assert "Content-Encoding" not in reply.headers


def test_a_cursor_goes_through_the_list(many):
    whole = [hit["id"] for hit in many.get("/api/v1/search?query=load+name&k=40").json["hits"]]
    assert len(whole) == 40
    found, cursor = [], None
    for size in (7, 7, 20, 6):
        fields = {"query": "load name", "k": size} | ({"cursor": cursor} if cursor else {})
        answer = many.post("/api/v1/search", json=fields).json
        assert answer["notes"] == []
        assert answer["hits"][0]["rank"] == len(found) + 1
        found += [hit["id"] for hit in answer["hits"]]
        cursor = answer["cursor"]
    assert found == whole


def test_a_cursor_ends(many):
    seen, cursor = 0, None
    for _ in range(100):
        fields = {"query": "load name", "k": 10} | ({"cursor": cursor} if cursor else {})
        answer = many.post("/api/v1/search", json=fields).json
        seen += len(answer["hits"])
        cursor = answer["cursor"]
        if cursor is None:
            break
    assert cursor is None
    assert seen >= 50


@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "%00", "ü", "A" * 28, "A" * 101, "null"])
def test_a_cursor_that_is_none(client, error, cursor):
    reply = client.post("/api/v1/search", json={"query": "read", "cursor": cursor})
    assert error(reply, 400, "bad_cursor" if 0 < len(cursor) <= 100 else "invalid_request")["field"] == "cursor"


def test_a_cursor_of_another_query_or_with_an_offset(many, error):
    cursor = many.get("/api/v1/search?query=load&k=2").json["cursor"]
    good = {"query": "load", "k": 3, "cursor": cursor}
    assert many.post("/api/v1/search", json=good).status_code == 200
    for change in (
        {"query": "loads"},
        {"mode": "lexical"},
        {"rank": False},
        {"offset": 2},
        {"cursor": cursor[:-1] + "A"},
    ):
        error(many.post("/api/v1/search", json={**good, **change}), 400, "bad_cursor")


@pytest.mark.parametrize("change", range(28))
def test_a_cursor_with_one_letter_changed(change):
    cursor = write(Place(7, 20), ("q", "hybrid", True))
    assert read(cursor, ("q", "hybrid", True)) == Place(7, 20)
    other = cursor[:change] + ("B" if cursor[change] != "B" else "C") + cursor[change + 1 :]
    with pytest.raises(Refused):
        read(other, ("q", "hybrid", True))


def test_a_cursor_of_an_older_generation_goes_on_and_says_so(many, tree, build):
    first = many.get("/api/v1/search?query=load&k=5").json
    (tree / "later.py").write_text("def load_later(name):\n    return open(name)\n")
    build().close()
    second = many.post("/api/v1/search", json={"query": "load", "k": 5, "cursor": first["cursor"]}).json
    assert second["generation"] > first["generation"]
    assert second["hits"][0]["rank"] == 6
    assert any("the index has changed" in note for note in second["notes"])
    third = many.post("/api/v1/search", json={"query": "load", "k": 5, "cursor": second["cursor"]}).json
    assert third["notes"] == []


def test_the_last_offset_has_no_cursor(client, error):
    answer = client.get("/api/v1/search?query=read&offset=1000000").json
    assert (answer["hits"], answer["cursor"]) == ([], None)
    error(client.get("/api/v1/search?query=read&offset=1000001"), 400, "invalid_request")


def test_what_is_added_when_it_is_asked_for(client):
    plain = client.get(SEARCH).json
    assert not {"timings_ms", "context"} & plain.keys()
    assert all(hit["parts"] for hit in plain["hits"][:1])
    explained = client.get(f"{SEARCH}&explain=true").json
    assert {"parse", "encode", "retrieve", "rank"} <= explained["timings_ms"].keys()
    packed = client.get(f"{SEARCH}&budget=200").json
    assert packed["context"]["units"]
    assert packed["context"]["tokens"] <= 200
