"""JSON of requests and answers: what the client's own reads and writes, and its errors."""

import json

import numpy as np
import pytest

pytest.importorskip("elasticsearch", reason="the extra `elasticsearch` is not installed")

from elasticsearch import SerializationError
from elasticsearch.serializer import JsonSerializer

from indexer.cluster.quick_json import QuickJson

_VALUES = [
    {"text": 'é 漢字 🦊 \u2028 \0 \\ "', "number": 1.5, "none": None, "list": [True, False, -1]},
    {"half a pair": "\ud800", "vector": np.float32([0.1, -3.25e-7, 1e30]).tolist()},
    {"large": 12_345_678_901_234_567_890_123, "deep": [[[[[]]]]]},
    {"numbers of numpy": np.arange(3), "one": np.int64(3)},
    [],
    {},
]


@pytest.mark.parametrize("value", _VALUES)
def test_values_travel_as_by_the_clients_own(value):
    own, quick = JsonSerializer(), QuickJson()
    assert own.loads(quick.dumps(value)) == quick.loads(own.dumps(value)) == own.loads(own.dumps(value))


def test_escaped_halves_of_a_pair_are_read():
    assert QuickJson().loads(b'{"a": "\\ud83e\\udd8a \\ud800"}') == json.loads('{"a": "\\ud83e\\udd8a \\ud800"}')


@pytest.mark.parametrize("said", [b"{", b"{'a': 1}", b"\xff", b"[1, 2", b"nothing"])
def test_what_is_no_json_is_refused(said):
    with pytest.raises(SerializationError):
        QuickJson().loads(said)


def test_an_empty_answer_is_nothing_and_what_is_written_already_stays():
    assert QuickJson().loads(b"") is None
    assert QuickJson().dumps("as it is") == b"as it is"


def test_what_cannot_be_written_is_refused():
    with pytest.raises(SerializationError):
        QuickJson().dumps({"a": object()})
