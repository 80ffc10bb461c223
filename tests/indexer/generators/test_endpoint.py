"""The generator on a server, against a real server that behaves badly first, then well."""

import gzip
import json
import logging
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from indexer.errors import UsageError
from indexer.generators.chat import Server
from indexer.generators.endpoint import MAX_BODY, Endpoint
from indexer.generators.interface import (
    Budget,
    Busy,
    GenerationFailed,
    OutOfTime,
    Refused,
    Request,
    Task,
    Unreachable,
    Unusable,
)
from indexer.generators.prompts import REPLY_TOKENS

KEY = "sk-very-secret-1234567890"
ASK = Request(Task.EXEMPLAR, "largest of a list", language="python")
LONG = Budget(20.0)
SHORT = Budget(0.3)


@pytest.fixture
def ask():
    """Ask servers; what was begun is closed."""
    opened = []

    def asked(url, request=ASK, budget=LONG, *, key="", attempts=1, concurrency=4, **options):
        opened.append(Endpoint(Server(url, "tiny", key, **options), attempts=attempts, concurrency=concurrency))
        return opened[-1].generate(request, budget)

    yield asked
    for endpoint in opened:
        endpoint.close()


def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


@pytest.mark.parametrize(
    "url", ["", "localhost:8000", "ftp://host/v1", "http://", "http://host:0/v1", "http://[::1/v1", "http://h:x/v1"]
)
def test_an_address_that_is_none_is_wrong_use(url):
    with pytest.raises(UsageError, match="address is none"):
        Server(url, "tiny")


@pytest.mark.parametrize("url", ["http://me:word@host/v1", "http://host/v1?key=word", "http://host/v1#word"])
def test_an_address_with_a_secret_in_it_is_refused_without_showing_it(url):
    with pytest.raises(UsageError, match="by itself") as caught:
        Server(url, "tiny")
    assert "word" not in str(caught.value)


@pytest.mark.parametrize("key", ["two\nlines", " padded", "sch\u00f6n", "\x00"])
def test_a_key_that_no_header_can_hold_is_refused_without_showing_it(key):
    with pytest.raises(UsageError, match="set it again") as caught:
        Server("http://host/v1", "tiny", key)
    assert key.strip() not in str(caught.value)


def test_a_model_and_some_of_each_are_needed():
    with pytest.raises(UsageError, match="name of a model"):
        Server("http://host/v1", " ")
    for wrong in ({"concurrency": 0}, {"attempts": 0}):
        with pytest.raises(UsageError, match="at least 1"):
            Endpoint(Server("http://host/v1", "tiny"), **wrong)


def test_without_httpx_the_command_that_installs_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(UsageError, match=r"extra `generators`: pip install"):
        Endpoint(Server("http://host/v1", "tiny"))


def test_no_server_is_said_with_its_address(ask):
    url = f"http://127.0.0.1:{free_port()}/v1"
    with pytest.raises(Unreachable, match=f"the generator at {url} cannot be reached"):
        ask(url)


@pytest.mark.parametrize("play", ["hang_up", "cut_off"])
def test_a_lost_connection_is_said(serve, plays, ask, play):
    with pytest.raises(Unreachable, match="cannot be reached"):
        ask(serve(getattr(plays, play)).url)


@pytest.mark.parametrize("play", ["slow", "endless body", "endless headers", "silent"])
def test_the_deadline_bounds_whatever_the_server_does(serve, plays, ask, play):
    todo = {
        "slow": plays.sleeps(30, plays.good),
        "endless body": plays.drips(b" ", 0.02),
        "endless headers": plays.drips(b"X-More: 1\r\n", 0.02, headers=False),
        "silent": plays.sleeps(30, plays.hang_up),
    }
    server = serve(todo[play])
    begun = time.perf_counter()
    with pytest.raises(OutOfTime, match=r"took longer than 0\.3 s|did not answer in time"):
        ask(server.url, budget=SHORT, attempts=5)
    # Nothing is waited for but the deadline; a busy machine is left a second.
    assert time.perf_counter() - begun < SHORT.seconds + 1.0


def test_a_server_that_takes_no_connection_is_bounded_too(ask):
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        begun = time.perf_counter()
        with pytest.raises(OutOfTime):
            ask(f"http://127.0.0.1:{full.getsockname()[1]}/v1", budget=SHORT, attempts=5)
        assert time.perf_counter() - begun < SHORT.seconds + 1.0
        for each in waiting:
            each.close()


def test_a_body_without_an_end_is_not_kept(serve, plays, ask):
    with pytest.raises(Unusable, match=f"more than {MAX_BODY} bytes"):
        ask(serve(plays.drips(b" " * 1_000_000, 0.001)).url)


def test_a_bomb_is_not_unpacked_whole(serve, plays, ask):
    bomb = gzip.compress(b" " * (64 << 20))
    with pytest.raises(Unusable, match=f"more than {MAX_BODY} bytes"):
        ask(serve(plays.raw(200, bomb, Content_Encoding="gzip")).url)


def test_a_damaged_encoding_is_said(serve, plays, ask):
    with pytest.raises(Unusable, match="damaged response"):
        ask(serve(plays.raw(200, b"no gzip at all", Content_Encoding="gzip")).url)


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>hello</html>", b"\xff\xfe", b"[" * 100_000, b"null", b"[]", b'"text"', b"{}", b'{"choices": []}',
     b'{"choices": [{"message": {}}]}', b'{"choices": [{"message": {"content": null}}]}', b'{"choices": {"0": 1}}',
     b'{"choices": [{"message": {"content": [{"type": "image"}]}}]}', b'{"choices": [{"message": {"content": 7}}]}'],
)  # fmt: skip
def test_a_response_that_is_no_reply_is_said(serve, plays, ask, content):
    with pytest.raises(Unusable, match=r"sent (no JSON|JSON without a reply); is it a chat server\?"):
        ask(serve(plays.raw(200, content)).url)


@pytest.mark.parametrize(
    "text", ["", "  \n", "```python\n```", "```", "I cannot help you with that.", "<think>Hm, let"]
)
def test_a_reply_without_code_is_said(serve, plays, ask, text):
    with pytest.raises(Unusable, match="the reply holds no exemplar"):
        ask(serve(plays.says(text)).url)


@pytest.mark.parametrize(
    ("status", "words"),
    [(400, "answers 400: said it"), (401, "401: said it; it wants a key"), (403, "it wants a key"),
     (404, "has it the model 'tiny'"), (301, "answers 301")],
)  # fmt: skip
def test_a_refusal_is_said_and_not_repeated(serve, plays, ask, status, words):
    server = serve(plays.fault(status, "said it", Location="/elsewhere"))
    with pytest.raises(Refused, match=words):
        ask(server.url, attempts=3)
    assert len(server.seen) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_is_busy_is_asked_again(serve, plays, ask, status):
    server = serve(plays.fault(status), plays.fault(status, Retry_After="0"), plays.good)
    assert ask(server.url, attempts=3).texts == (plays.CODE,)
    assert len(server.seen) == 3


def test_what_stays_busy_is_given_up(serve, plays, ask):
    server = serve(plays.fault(429, "slow down", Retry_After="0"))
    with pytest.raises(Busy, match="answers 429: slow down"):
        ask(server.url, attempts=3)
    assert len(server.seen) == 3


@pytest.mark.parametrize("after", ["3600", "Fri, 31 Dec 2100 23:59:59 GMT"])
def test_a_server_that_asks_for_more_time_than_there_is_is_not_waited_for(serve, plays, ask, after):
    server = serve(plays.fault(503, Retry_After=after), plays.good)
    begun = time.perf_counter()
    with pytest.raises(Busy) as caught:
        ask(server.url, attempts=3)
    assert caught.value.retry_after > 3_000
    assert time.perf_counter() - begun < LONG.seconds / 2
    assert len(server.seen) == 1


@pytest.mark.parametrize("after", ["soon", "nan", "inf", "-5", "Fri, 31 Dec 1999 23:59:59 GMT"])
def test_a_wait_that_is_no_time_is_not_believed(serve, plays, ask, after):
    assert ask(serve(plays.fault(503, Retry_After=after), plays.good).url, attempts=2).texts == (plays.CODE,)


def test_a_lost_connection_is_tried_again(serve, plays, ask):
    assert ask(serve(plays.hang_up, plays.cut_off, plays.good).url, attempts=3).texts == (plays.CODE,)


def test_the_key_is_sent_and_shown_nowhere(serve, plays, ask, caplog):
    caplog.set_level(logging.DEBUG)
    server = serve(plays.fault(401, f"Incorrect API key provided: {KEY}."), plays.good)
    with pytest.raises(Refused, match=r"provided: \(the key\)\.; check the key") as caught:
        ask(server.url, key=KEY)
    ask(server.url, key=KEY)
    assert [each.headers["Authorization"] for each in server.seen] == [f"Bearer {KEY}"] * 2
    shown = [caplog.text, str(caught.value), repr(Server(server.url, "tiny", KEY)), repr(caught.value.__context__)]
    assert not any(KEY in each for each in shown)


def test_without_a_key_none_is_sent(serve, plays, ask):
    server = serve(plays.good)
    ask(server.url)
    assert "Authorization" not in server.seen[0].headers


def test_a_server_s_words_are_one_short_line(serve, plays, ask):
    with pytest.raises(Refused) as caught:
        ask(serve(plays.fault(400, "a\x1b[31m\nb" + "c" * 5_000)).url)
    assert "a[31m bcc" in str(caught.value)
    assert len(str(caught.value)) < 400


def test_code_comes_without_the_prose_round_it_and_tokens_are_counted(serve, plays, ask):
    server = serve(plays.good)
    made = ask(server.url, budget=Budget(20, 99))
    assert made.texts == (plays.CODE,)
    assert (made.tokens_in, made.tokens_out) == (40, 12)
    assert made.source == "tiny (prompts 2)"
    assert 0 < made.seconds < 20
    seen = server.seen[0]
    assert seen.path == "/v1/chat/completions"
    assert (seen.body["model"], seen.body["max_tokens"]) == ("tiny", 99)
    assert [turn["role"] for turn in seen.body["messages"]] == ["system", "user"]
    assert "largest of a list" in seen.body["messages"][1]["content"]
    assert "response_format" not in seen.body


def test_the_base_address_may_end_with_a_slash(serve, plays, ask):
    server = serve(plays.good)
    ask(server.url + "/")
    assert server.seen[0].path == "/v1/chat/completions"


@pytest.mark.parametrize("usage", [{}, {"prompt_tokens": "many", "completion_tokens": -1}, {"prompt_tokens": True}])
def test_tokens_that_are_not_counted_are_unknown(serve, plays, ask, usage):
    made = ask(serve(plays.says("f(x) = 1", **usage)).url)
    assert (made.tokens_in, made.tokens_out) == (None, None)


def test_content_in_parts_is_joined(serve, plays, ask):
    parts = [{"type": "text", "text": "def f():"}, {"type": "text", "text": "\n    pass"}]
    assert ask(serve(plays.says(parts)).url).texts == ("def f():\n    pass",)


def test_structured_replies_are_asked_for_and_read(serve, plays, ask):
    server = serve(plays.says(json.dumps({"text": plays.CODE})))
    assert ask(server.url, structured=True, limit_field="max_completion_tokens").texts == (plays.CODE,)
    body = server.seen[0].body
    assert body["response_format"]["json_schema"]["schema"]["required"] == ["text"]
    assert body["max_completion_tokens"] == REPLY_TOKENS[Task.EXEMPLAR]
    assert "max_tokens" not in body


def test_several_texts_are_asked_for_at_once_and_counted_together(serve, plays, ask):
    server = serve(plays.sleeps(0.2, plays.good))
    made = ask(server.url, Request(Task.EXEMPLAR, "q", count=3), concurrency=2)
    assert made.texts == (plays.CODE,) * 3
    assert (made.tokens_in, made.tokens_out) == (120, 36)
    assert server.most_at_once == 2


def test_of_several_texts_those_that_come_in_time_are_returned(serve, plays, ask):
    server = serve(plays.good, plays.sleeps(30, plays.good))
    made = ask(server.url, Request(Task.EXEMPLAR, "q", count=2), Budget(2.0))
    assert made.texts == (plays.CODE,)
    assert made.seconds < 4.0
    assert made.tokens_out == 12


def test_of_several_texts_one_that_fails_is_left_out(serve, plays, ask):
    assert ask(serve(plays.fault(400), plays.good).url, Request(Task.EXEMPLAR, "q", count=2)).texts == (plays.CODE,)


def test_a_text_that_utf_8_cannot_hold_is_asked_all_the_same(serve, plays, ask):
    assert ask(serve(plays.good).url, Request(Task.EXEMPLAR, "half \ud800 a character")).texts == (plays.CODE,)


def test_many_threads_share_one_endpoint(serve, plays):
    server = serve(plays.sleeps(0.02, plays.good))
    endpoint = Endpoint(Server(server.url, "tiny"), concurrency=3)
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: endpoint.generate(ASK, LONG).texts, range(16)))
    endpoint.close()
    assert made == [(plays.CODE,)] * 16
    assert server.most_at_once <= 3


def test_closing_ends_what_waits_and_the_thread(serve, plays):
    server = serve(plays.sleeps(30, plays.good))
    endpoint = Endpoint(Server(server.url, "tiny"))
    failures, others = [], set(threading.enumerate())

    def asking():
        try:
            endpoint.generate(ASK, LONG)
        except GenerationFailed as failure:
            failures.append(failure)

    waiting = threading.Thread(target=asking)
    waiting.start()
    while not server.seen:
        time.sleep(0.01)
    endpoint.close()
    waiting.join(10)
    assert len(failures) == 1
    assert not any(thread.name == "fathom-generator" for thread in set(threading.enumerate()) - others)
    endpoint.close()


def test_a_closed_endpoint_opens_anew(serve, plays):
    endpoint = Endpoint(Server(serve(plays.good).url, "tiny"))
    for _ in range(2):
        assert endpoint.generate(ASK, LONG).texts == (plays.CODE,)
        endpoint.close()
