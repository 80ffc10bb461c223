"""What Prometheus reads is what happened."""

import pytest

pytest.importorskip("flask", reason="the extra `web` is not installed: pip install 'fathom-search[web]'")
from prometheus_client.parser import text_string_to_metric_families

from indexer.settings import Settings


def samples(client):
    found = client.get("/metrics")
    assert found.status_code == 200
    assert found.mimetype == "text/plain"
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(found.text)
        for sample in family.samples
    }


def test_requests_are_counted_by_route_and_status(client):
    client.get("/api/v1/search?query=read")
    client.get("/api/v1/search?query=read&k=0")
    client.get("/api/v1/units/a")
    client.get("/api/v1/units/b")
    client.get("/api/v1/nowhere/<script>")
    client.open("/api/v1/search", method="PROPFIND")
    found = samples(client)

    def count(route, status):
        return found["fathom_requests_total", ("route", route), ("status", status)]

    assert count("/api/v1/search", "200") == 1
    assert count("/api/v1/search", "400") == 1
    assert count("/api/v1/units/<unit_id>", "404") == 2
    assert count("none", "404") == 1
    assert count("none", "405") == 1
    assert found["fathom_request_seconds_count", ("route", "/api/v1/units/<unit_id>")] == 2
    assert found["fathom_request_seconds_sum", ("route", "/api/v1/search")] > 0


def test_the_steps_of_searches_and_the_lines_of_batches(client):
    for _ in range(3):
        client.get("/api/v1/search?query=read")
    with client.post("/api/v1/batch", data=b'{"query": "read"}\nbroken\n{"query": "save"}\n') as reply:
        assert reply.text.count("\n") == 3
    found = samples(client)
    assert found["fathom_search_step_seconds_count", ("step", "retrieve")] == 3
    assert found["fathom_batch_queries_total", ("outcome", "answer")] == 2
    assert found["fathom_batch_queries_total", ("outcome", "error")] == 1


def test_the_state_of_the_index(client, tree, build):
    before = samples(client)
    assert before["fathom_index_up",] == 1
    assert before["fathom_index_units",] == 3
    assert before["fathom_index_complete",] == 1
    (tree / "more.py").write_text("def more():\n    return 1\n")
    build().close()
    after = samples(client)
    assert after["fathom_index_generation",] > before["fathom_index_generation",]
    assert after["fathom_index_units",] == 4


def test_no_index_is_no_error(tmp_path, stub_encoder):
    from web.app import create_app

    client = create_app(Settings(index=tmp_path / "none"), encoder=stub_encoder).test_client()
    found = samples(client)
    assert found["fathom_index_up",] == 0
    assert ("fathom_index_units",) not in found
