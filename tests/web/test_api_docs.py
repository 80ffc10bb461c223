"""`docs/api.md`: its requests are answered as it shows, and it leaves out no route, no error and no setting."""

import json
import re
import shlex
from pathlib import Path

import pytest

from indexer.index import Index

pytest.importorskip("flask", reason="the extra `web` is not installed: pip install 'fathom-search[web]'")
from web.operations import OPERATIONS

_ROOT = Path(__file__).parents[2]
_TEXT = (_ROOT / "docs" / "api.md").read_text("utf-8")
_EXAMPLES = re.findall(r"```sh\n(curl .*?)\n```\n\n```(?:json|text)\n(.*?)\n```", _TEXT, re.DOTALL)
# What is in these is named by the index, not by us.
_NAMED = {"parts", "depths", "languages", "kinds", "skipped", "timings_ms"}


def shape(value):
    """Return the fields of an answer without what they hold."""
    if isinstance(value, dict):
        return {name: None if name in _NAMED else shape(field) for name, field in value.items()}
    if isinstance(value, list):
        return shape(value[0]) if value and isinstance(value[0], dict) else []
    return None


def values(text):
    """Return the JSON values that stand one after the other."""
    found, decoder = [], json.JSONDecoder()
    while text := text.strip():
        value, end = decoder.raw_decode(text)
        found.append(value)
        text = text[end:]
    return found


def arguments(command):
    """Return the method, the path, the headers and the body of a request that curl would make."""
    words = shlex.split(command.replace("$'", "'"))[1:]
    method, body, path, headers = "GET", None, None, {}
    while words:
        word = words.pop(0)
        if word == "-X":
            method = words.pop(0)
        elif word == "-H":
            name, _, said = words.pop(0).partition(": ")
            headers[name] = said
        elif word in ("-d", "--data-binary"):
            body = words.pop(0).replace("\\n", "\n")
        else:
            path = word.removeprefix("http://127.0.0.1:8420")
    return method, path, headers, body


@pytest.fixture
def shop(settings, tmp_path, stub_encoder):
    """A client of the index that the examples ask."""
    from web.app import create_app

    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "basket.py").write_text(re.search(r"```python\n(.*?)```", _TEXT, re.DOTALL)[1])
    index = Index.build(settings.index, [str(tmp_path / "shop")], settings=settings, encoder=stub_encoder)
    return create_app(settings, index, stub_encoder).test_client()


@pytest.mark.parametrize(("command", "shown"), _EXAMPLES, ids=[command[-60:] for command, _ in _EXAMPLES])
def test_an_example_is_answered_as_shown(shop, command, shown):
    method, path, headers, body = arguments(command)
    with shop.open(path, method=method, headers=headers, data=body) as reply:
        if path == "/metrics":
            names = {line.split("{")[0].split()[0] for line in shown.splitlines() if line != "…"}
            shop.get("/api/v1/search?query=basket")
            said = shop.get(path).text
            assert all(name in said for name in names)
            return
        answered, expected = values(reply.text), values(shown)
    assert [shape(each) for each in answered] == [shape(each) for each in expected]
    assert (reply.status_code == 200) is ("error" not in expected[0])


def test_there_are_examples_of_most_routes():
    asked = {arguments(command)[1].split("?")[0] for command, _ in _EXAMPLES}
    assert len(asked) >= len(OPERATIONS) - 1


def test_every_route_and_its_scope_is_documented(client):
    for rule in client.application.url_map.iter_rules():
        operation = OPERATIONS.get(rule.endpoint)
        if operation is None:
            continue
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        scope = f"`{operation.scope.value}`" if operation.scope else "open"
        assert re.search(rf"^\| `[A-Z`, ]*{re.escape(path)}` \|.*\| {scope} \|$", _TEXT, re.MULTILINE), path


def test_every_code_and_setting_is_documented():
    source = "".join(file.read_text("utf-8") for file in sorted((_ROOT / "web").glob("*.py")))
    codes = set(re.findall(r'\b(?:Refused|_unauthorised|fault)\(\s*(?:\d+, )?"(\w+)"', source))
    codes |= set(re.findall(r'return \d+, "(\w+)"', source)) | {"not_found", "invalid_request", "internal_error"}
    assert {"bad_cursor", "key_unknown", "foreign_host", "index_unavailable", "not_ready"} <= codes
    for code in codes:
        assert f"`{code}`" in _TEXT, code
    for setting in ("FATHOM_KEYS", "FATHOM_HOSTS", "FATHOM_CORS", "FATHOM_LOG_QUERIES"):
        assert setting in _TEXT


def test_the_file_of_keys_that_is_shown_can_be_read(tmp_path):
    from web.keys import read_keys

    (tmp_path / "keys.toml").write_text(re.search(r"```toml\n(.*?)```", _TEXT, re.DOTALL)[1])
    assert read_keys(tmp_path / "keys.toml").find("pipeline") is None
