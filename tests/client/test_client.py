"""The client and its waiting twin: servers that behave badly first, then a real one."""

import asyncio
import json
import time
from collections.abc import Mapping

import pytest

pytest.importorskip("httpx", reason="httpx is not installed: pip install httpx")
from fathom_client import (
    Answer,
    AsyncClient,
    BadAnswer,
    BadRequest,
    Client,
    ConnectionFailed,
    Failure,
    FathomError,
    NotAllowed,
    NotFound,
    Query,
    Retries,
    ServerFailed,
    TimedOut,
    TooManyRequests,
    Unavailable,
)

from tests.client.scripted import answer, chunks, fault, hang_up, hit, reply

QUICK = Retries(attempts=3, first=0.01)


class Waiting:
    """The client, asked through the other one, so that every test is of both."""

    def __init__(self, *arguments, **options):
        self._arguments, self._options = arguments, options

    def __getattr__(self, name):
        def ask(*arguments, **options):
            async def go():
                async with AsyncClient(*self._arguments, **self._options) as client:
                    if name == "batch":
                        return [each async for each in client.batch(*arguments, **options)]
                    return await getattr(client, name)(*arguments, **options)

            return asyncio.run(go())

        return ask


@pytest.fixture(params=[Client, Waiting])
def client(request):
    """Return a function that makes a client; all are closed."""
    made = []

    def make(url, **options):
        made.append(request.param(url, **{"retries": QUICK, **options}))
        return made[-1]

    yield make
    for each in made:
        if isinstance(each, Client):
            each.close()


@pytest.mark.parametrize("url", ["", "127.0.0.1:8420", "ftp://host", "http://", "http://host/?q=1", "//host"])
def test_an_address_that_is_none(url):
    for kind in (Client, AsyncClient):
        with pytest.raises(ValueError, match="address"):
            kind(url)


@pytest.mark.parametrize("key", ["a\nb: c", "schlüssel"])
def test_a_key_that_no_header_can_hold(key):
    with pytest.raises(ValueError, match="key"):
        Client(api_key=key)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequest),
        (401, NotAllowed),
        (403, NotAllowed),
        (404, NotFound),
        (413, BadRequest),
        (415, BadRequest),
        (500, ServerFailed),
    ],
)
def test_what_the_server_says_is_wrong_is_raised_at_once(client, scripted, status, kind):
    server = scripted(fault(status, "some_code"))
    with pytest.raises(kind) as raised:
        client(server.url).search("q")
    error = raised.value
    assert (error.code, error.message, error.request_id, error.status) == ("some_code", "said some_code", "r1", status)
    assert str(error) == "said some_code (some_code, request r1)"
    assert len(server.seen) == 1


def test_the_field_that_is_wrong_is_named(client, scripted):
    body = {"error": {"code": "invalid_request", "message": "m", "field": "k"}, "request_id": "r"}
    with pytest.raises(BadRequest) as raised:
        client(scripted(reply(400, body)).url).search("q", 0)
    assert raised.value.field == "k"


@pytest.mark.parametrize(
    "body", [b"<html>gone</html>", b"", b"[]", b'"error"', b'{"error": "x"}', b'{"error": {}}', b"\xff"]
)
def test_an_error_in_another_shape_is_told_by_its_status(client, scripted, body):
    with pytest.raises(ServerFailed) as raised:
        client(scripted(reply(500, body)).url).status()
    assert (raised.value.code, raised.value.request_id) == ("http_500", None)


def test_a_redirect_is_not_followed(client, scripted):
    with pytest.raises(BadAnswer):
        client(scripted(reply(302, b"", Location="http://127.0.0.1:9/")).url).status()


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"garbage", "JSON"),
        (b"", "JSON"),
        (b"[" * 200_000, "JSON"),
        (b"[]", "object"),
        (b"null", "object"),
        ({}, "query is missing"),
        ({**answer(), "hits": "none"}, "hits must be a list"),
        (answer(hits=[5]), "hits.0 must be an object"),
        (answer(hits=[hit(score="high")]), "hits.0.score must be a number"),
        (answer(hits=[hit(start_line=1.5)]), "hits.0.start_line must be a whole number"),
        (answer(hits=[hit(start_line=True)]), "hits.0.start_line"),
        (answer(hits=[hit(parts={"a": None})]), "hits.0.parts.a"),
        (answer(notes=[1]), "notes.0 must be text"),
        (answer(context={"text": ""}), "context.tokens is missing"),
    ],
)
def test_an_answer_that_is_none_is_told_by_what_is_wrong(client, scripted, body, word):
    with pytest.raises(BadAnswer, match=word):
        client(scripted(reply(200, body)).url).search("q")


def test_a_body_that_cannot_be_unpacked(client, scripted):
    with pytest.raises(BadAnswer):
        client(scripted(reply(200, b"not gzip", Content_Encoding="gzip")).url).status()


def test_fields_of_a_newer_server_are_left_aside_and_numbers_are_floats(client, scripted):
    body = answer(hits=[hit(score=1, colour="red")], mood={"a": 1}, cursor=None)
    found = client(scripted(reply(200, body)).url).search("q")
    assert isinstance(found, Answer)
    assert found.hits[0].score == 1.0
    assert isinstance(found.hits[0].score, float)
    assert (found.hits[0].like, found.context, found.query_class) == ((), None, "language")
    with pytest.raises(AttributeError):
        found.total = 3


def test_nobody_there(client):
    with pytest.raises(ConnectionFailed) as raised:
        client("http://127.0.0.1:9", retries=Retries(attempts=2, first=0.01)).search("q")
    assert raised.value.code == "connection_failed"
    assert raised.value.__cause__ is not None


@pytest.mark.parametrize("play", [fault(429, "too_many_requests"), fault(503, "not_ready"), reply(502), hang_up])
def test_what_passes_is_tried_again(client, scripted, play):
    server = scripted(play, play, reply(200, answer()))
    assert client(server.url).search("q").total == 0
    assert len(server.seen) == 3
    assert len({body for _, _, body in server.seen}) == 1


@pytest.mark.parametrize(
    ("play", "kind"),
    [(fault(429, "too_many"), TooManyRequests), (fault(503, "not_ready"), Unavailable), (hang_up, ConnectionFailed)],
)
def test_it_is_given_up_on_after_the_last_try(client, scripted, play, kind):
    server = scripted(play)
    with pytest.raises(kind):
        client(server.url).search("q")
    assert len(server.seen) == 3


def test_retry_after_is_heeded(client, scripted):
    server = scripted(fault(429, "too_many", Retry_After="1"), reply(200, answer()))
    began = time.monotonic()
    client(server.url).search("q")
    assert time.monotonic() - began >= 1.0


@pytest.mark.parametrize("wait", ["3600", "Fri, 31 Dec 2999 23:59:59 GMT"])
def test_who_is_told_to_come_back_much_later_is_told_so(client, scripted, wait):
    server = scripted(fault(429, "too_many", Retry_After=wait))
    with pytest.raises(TooManyRequests) as raised:
        client(server.url).search("q")
    assert raised.value.retry_after >= 3599
    assert len(server.seen) == 1


@pytest.mark.parametrize("wait", ["soon", "", "-1", "Mon, 99 Foo 2000", "Mon, 01 Jan 2001 00:00:00 GMT"])
def test_a_retry_after_that_says_nothing_is_not_waited_for(client, scripted, wait):
    server = scripted(fault(503, "not_ready", Retry_After=wait), reply(200, answer()))
    assert client(server.url).search("q").total == 0


def test_a_slow_server_is_not_asked_again(client, scripted):
    def slow(handler):
        time.sleep(1.0)
        reply(200, answer())(handler)

    server = scripted(slow)
    with pytest.raises(TimedOut):
        client(server.url, timeout=0.2).search("q")
    assert len(server.seen) == 1


def test_pauses_grow_and_have_an_end():
    retries = Retries(attempts=9, first=1.0, longest=5.0)
    lost = ConnectionFailed("connection_failed", "")
    for tried, most in ((1, 1.0), (2, 2.0), (3, 4.0), (4, 5.0), (8, 5.0)):
        assert most / 2 <= retries.pause(lost, tried) <= most
    assert retries.pause(lost, 9) is None
    assert retries.pause(BadRequest("invalid_request", ""), 1) is None


def test_the_key_and_only_what_is_not_default_is_sent(client, scripted):
    server = scripted(reply(200, answer()))
    asked = client(server.url + "/", api_key="secret")
    asked.search("q")
    asked.search("q", 3, offset=2, mode="lexical", rank=False, budget=9, neighbours=True)
    (path, headers, first), (_, _, second) = server.seen
    assert path == "/api/v1/search"
    assert headers["Authorization"] == "Bearer secret"
    assert json.loads(first) == {"query": "q", "k": 10, "mode": "hybrid"}
    assert json.loads(second) == {
        "query": "q", "k": 3, "offset": 2, "mode": "lexical", "rank": False, "budget": 9, "neighbours": True,
    }  # fmt: skip


# batches


def line(number, **fields):
    return json.dumps({"id": number, **answer(str(number), **fields)}, ensure_ascii=False).encode() + b"\n"


def asked(server):
    return [[json.loads(each)["query"] for each in body.splitlines()] for _, _, body in server.seen]


def test_a_batch_that_is_cut_goes_on_where_it_was_cut(client, scripted):
    first, second, third = line(1), line(2), line(3)
    server = scripted(
        chunks(first, second[:20], end=False), hang_up, fault(503, "not_ready"), chunks(second[:5], second[5:], third)
    )
    found = list(client(server.url).batch(["1", "2", "3"]))
    assert [each.id for each in found] == [1, 2, 3]
    assert asked(server) == [["1", "2", "3"], ["2", "3"], ["2", "3"], ["2", "3"]]


def test_a_batch_that_ends_too_early_is_no_whole_batch(client, scripted):
    server = scripted(chunks(line(1)), chunks(b""))
    with pytest.raises(ConnectionFailed, match="1 queries too early"):
        list(client(server.url).batch(["1", "2"]))
    assert len(server.seen) == 4


@pytest.mark.parametrize(
    "wrong",
    [b"garbage\n", b"{}\n", b"[]\n", b'{"id": 1, "error": 5}\n', b"\xff\n", b"[" * 200_000 + b"\n", line(1) + line(2)],
)
def test_a_batch_with_garbage_is_told(client, scripted, wrong):
    with pytest.raises(BadAnswer):
        list(client(scripted(chunks(wrong)).url).batch(["1"]))


def test_a_batch_that_is_refused(client, scripted):
    with pytest.raises(NotAllowed) as raised:
        list(client(scripted(fault(401, "no_key")).url).batch(["1"]))
    assert raised.value.code == "no_key"


def test_an_index_that_goes_away_in_a_batch_is_waited_for(client, scripted):
    gone = b'{"id": null, "error": {"code": "index_unavailable", "message": "m"}}\n'
    server = scripted(chunks(line(1), gone), chunks(line(2)))
    assert [each.id for each in client(server.url).batch(["1", "2"])] == [1, 2]
    with pytest.raises(Unavailable):
        list(client(scripted(chunks(gone)).url).batch(["1"]))


def test_line_ends_inside_of_texts_end_no_line(client, scripted):
    odd = "a\u2028b\x85c\x0bd\re"
    body = line(1, hits=[hit(text=odd)])
    (found,) = client(scripted(chunks(*[body[at : at + 1] for at in range(len(body))])).url).batch(["1"])
    assert found.hits[0].text == odd


def test_failures_stand_in_their_places(client, scripted):
    failed = b'{"id": "x", "error": {"code": "bad_query", "message": "m"}}\n'
    found = list(client(scripted(chunks(line(1) + failed + line(3))).url).batch(["1", "2", "3"]))
    assert found[1] == Failure(code="bad_query", message="m", id="x")
    assert [type(each) for each in found] == [Answer, Failure, Answer]


def test_nothing_to_ask_asks_nothing(client, scripted):
    server = scripted(hang_up)
    assert list(client(server.url).batch([])) == []
    assert server.seen == []


@pytest.mark.parametrize("query", [5, {"query": float("nan")}, {"query": object()}])
def test_a_query_that_is_none(client, scripted, query):
    with pytest.raises((TypeError, ValueError)):
        list(client(scripted(hang_up).url).batch([query]))


def test_queries_are_sent_as_they_come(scripted):
    server = scripted(*[chunks(b"".join(line(n) for n in range(128)))] * 2)
    taken = []

    def queries():
        for number in range(10_000):
            taken.append(number)
            yield str(number)

    with Client(server.url) as client:
        answers = client.batch(queries())
        next(answers)
        assert len(taken) <= 130
        answers.close()


def test_large_queries_go_in_several_requests(client, scripted):
    server = scripted(chunks(line(1)), chunks(line(2)))
    assert len(list(client(server.url).batch(["x" * 300_000, "y" * 300_000]))) == 2
    assert len(server.seen) == 2


# a real server


def test_a_real_server(client, served):
    fathom = client(served)
    found = fathom.search("read settings", 2)
    assert found.hits[0].symbol == "read_settings"
    assert isinstance(found.hits[0].parts, Mapping)
    unit = fathom.unit(found.hits[0].id)
    assert (unit.text, unit.start_line) == (found.hits[0].text, found.hits[0].start_line)
    assert all(each.id != unit.id for each in fathom.similar(unit.id, 3).hits)
    file = fathom.file(unit.repository, unit.path)
    assert unit.text in "\n".join(each.text for each in file.lines)
    assert unit.id in file.units
    assert fathom.file("tree", "a dir/é#?.py").units
    status = fathom.status()
    assert (status.files, status.complete) == (2, 1.0)
    assert status.languages["python"].units == status.units
    assert fathom.suggest("ring")[0].text in ("Ring", "ring.py")


def test_a_real_servers_errors(client, served):
    fathom = client(served)
    for ask, kind in (
        (lambda: fathom.search("/(/"), BadRequest),
        (lambda: fathom.search("q", 0), BadRequest),
        (lambda: fathom.unit("nothing"), NotFound),
        (lambda: fathom.unit("../status"), NotFound),
        (lambda: fathom.file("tree", "none.py"), NotFound),
    ):
        with pytest.raises(kind) as raised:
            ask()
        assert isinstance(raised.value, FathomError)
        assert raised.value.request_id
        assert raised.value.code


def test_a_real_batch(client, served):
    queries = [
        "read settings",
        Query(query="sym:odd_path", id="b", k=1),
        {"query": "/(/", "id": 3},
        Query(query="x", k=0),
        {"query": "\ud800"},
        *[Query(query=f"ring {number}", id=number, k=1, budget=500, neighbours=True) for number in range(300)],
    ]
    found = list(client(served).batch(iter(queries)))
    assert len(found) == len(queries)
    assert found[0].hits[0].symbol == "read_settings"
    assert "\u2028\x0b\x85" in found[1].hits[0].text
    assert [each.code for each in found[2:5]] == ["bad_query", "invalid_request", "invalid_request"]
    assert [each.id for each in found[5:]] == list(range(300))
    assert all(each.context.tokens <= 500 for each in found[5:])


def test_an_asynchronous_source_of_queries(served):
    async def queries():
        for number in range(3):
            await asyncio.sleep(0)
            yield Query(query="ring", id=number)

    async def go():
        async with AsyncClient(served) as client:
            several = await asyncio.gather(client.search("ring"), client.search("settings"))
            return [each.id async for each in client.batch(queries())], several

    ids, several = asyncio.run(go())
    assert ids == [0, 1, 2]
    assert all(each.hits for each in several)
