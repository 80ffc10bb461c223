"""Keys: what each opens, how often, and that nothing of them is told."""

import base64
import hashlib
import logging

import pytest

pytest.importorskip("flask", reason="the extra `web` is not installed: pip install 'fathom-search[web]'")
from indexer.errors import UsageError
from indexer.settings import Settings
from web import keys as keys_module
from web.keys import read_keys
from web.serving import check

SECRET, OTHER = "s3cret-of-one", "s3cret-of-another"
SEARCH = "/api/v1/search?query=read"


def digest(secret):
    return hashlib.sha256(secret.encode()).hexdigest()


@pytest.fixture
def keyed(tmp_path, make):
    """Return what makes a client of a server with a key of some scopes."""

    def made(scopes=("search",), more="", **settings):
        listed = ", ".join(f'"{scope}"' for scope in scopes)
        file = tmp_path / "keys.toml"
        file.write_text(f'[[key]]\nname = "one"\nsha256 = "{digest(SECRET)}"\nscopes = [{listed}]\n{more}\n')
        return make(keys=file, **settings)

    return made


def bearer(secret=SECRET):
    return {"Authorization": f"Bearer {secret}"}


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 1, "no key"),
        ("\n\nname = \n", 3, "Invalid value"),
        ("[[key]]\n[[key", 2, "Expected"),
        ('[[key]]\nname = "a"\n', 1, "sha256"),
        (f'\n[[key]]\nname = "a"\nsha256 = "{"0" * 64}"\nscopes = ["everything"]\n', 2, "scopes"),
        (f'[[key]]\nname = "a"\nsha256 = "{"0" * 64}"\nscopes = []\n', 1, "scopes"),
        ('[[key]]\nname = "a"\nsha256 = "my secret itself"\nscopes = ["search"]\n', 1, "sha256"),
        (f'[[key]]\nname = "a b"\nsha256 = "{"0" * 64}"\nscopes = ["search"]\n', 1, "name"),
        (f'[[key]]\nname = "a"\nsha256 = "{"0" * 64}"\nscopes = ["read"]\nper_minute = 0\n', 1, "per_minute"),
        (f'[[key]]\nname = "a"\nsha256 = "{"0" * 64}"\nscopes = ["read"]\nadmin = true\n', 1, "admin"),
        (
            f'[[key]]\nname = "a"\nsha256 = "{"0" * 64}"\nscopes = ["read"]\n'
            f'\n[[key]]\nname = "a"\nsha256 = "{"1" * 64}"\nscopes = ["read"]\n',
            6,
            "same name",
        ),
        ("key = 5\n", 1, "no key"),
        ("[[key]]\n[[keys]]\n", 2, "'keys'"),
    ],
)
def test_a_damaged_file_is_refused_by_name_and_line(tmp_path, text, line, said):
    file = tmp_path / "keys.toml"
    file.write_text(text)
    with pytest.raises(UsageError) as refused:
        read_keys(file)
    assert f"keys.toml, line {line}:" in str(refused.value)
    assert said in str(refused.value)
    assert "my secret" not in str(refused.value)


def test_a_file_that_is_no_text_or_not_there(tmp_path, make):
    file = tmp_path / "keys.toml"
    with pytest.raises(UsageError, match="cannot be read"):
        make(keys=file)
    file.write_bytes(b"# \n\xff\n")
    with pytest.raises(UsageError, match="line 2: this is not UTF-8"):
        make(keys=file)


def test_settings_are_looked_at_before_a_server_starts(tmp_path):
    check(Settings(index=tmp_path))
    with pytest.raises(UsageError, match="cannot be read"):
        check(Settings(index=tmp_path, keys=tmp_path / "none.toml"))
    with pytest.raises(UsageError, match="FATHOM_CORS"):
        check(Settings(index=tmp_path, cors=("code.example",)))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Nonsense x"},
        {"Authorization": "Basic !!!"},
        {"X-API-Key": ""},
    ],
)
def test_no_key(keyed, error, headers):
    reply = keyed().get(SEARCH, headers=headers)
    error(reply, 401, "key_missing")
    assert reply.headers["WWW-Authenticate"] == 'Bearer realm="fathom"'


@pytest.mark.parametrize("secret", ["wrong", SECRET[:-1], SECRET + "x", digest(SECRET), "\u00fc"])
def test_a_wrong_key(keyed, error, secret):
    client = keyed()
    error(client.get(SEARCH, headers=bearer(secret)), 401, "key_unknown")
    error(client.get(SEARCH, headers={"X-API-Key": secret}), 401, "key_unknown")
    error(client.get(f"{SEARCH}&key={SECRET}"), 401, "key_missing")


def test_each_way_to_send_a_key(keyed):
    client = keyed()
    password = base64.b64encode(f"anybody:{SECRET}".encode()).decode()
    for headers in (bearer(), {"X-API-Key": SECRET}, {"Authorization": f"Basic {password}"}):
        assert client.get(SEARCH, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("search", "GET", SEARCH),
        ("search", "GET", "/api/v1/suggest?prefix=a"),
        ("search", "GET", "/api/v1/similar?id=none"),
        ("read", "GET", "/api/v1/units/none"),
        ("read", "GET", "/api/v1/files/tree/none"),
        ("batch", "POST", "/api/v1/batch"),
        ("status", "GET", "/api/v1/status"),
        ("metrics", "GET", "/metrics"),
    ],
)
def test_a_scope_opens_what_it_names_and_nothing_else(keyed, error, scope, method, path):
    assert keyed([scope]).open(path, method=method, headers=bearer()).status_code in (200, 404)
    others = [each.value for each in keys_module.Scope if each != scope]
    error(keyed(others).open(path, method=method, headers=bearer()), 403, "scope_missing")


def test_what_is_open_without_a_key(keyed, error):
    client = keyed()
    for path in ("/healthz", "/readyz", "/api/v1/openapi.json"):
        assert client.get(path).status_code == 200
    error(client.get("/api/v1/nowhere"), 404, "not_found")
    error(client.delete("/api/v1/search"), 405, "method_not_allowed")


def test_pages_ask_a_browser_for_the_key(keyed):
    client = keyed()
    for path in ("/", "/?q=read", "/index", "/help"):
        refused = client.get(path)
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"] == 'Basic realm="fathom", charset="UTF-8"'
        assert "<" not in refused.text
        assert client.get(path, auth=("whoever", SECRET)).status_code == 200
    assert keyed(["read"]).get("/", auth=("whoever", SECRET)).status_code == 403


def test_a_key_that_asks_too_often(keyed, error, monkeypatch):
    more = f'per_minute = 2\n[[key]]\nname = "two"\nsha256 = "{digest(OTHER)}"\nscopes = ["search"]'
    client = keyed(more=more)
    now = [100.0]
    monkeypatch.setattr(keys_module.time, "monotonic", lambda: now[0])
    assert [client.get(SEARCH, headers=bearer()).status_code for _ in range(2)] == [200, 200]
    now[0] += 20
    reply = client.get(SEARCH, headers=bearer())
    error(reply, 429, "too_many_requests")
    assert reply.headers["Retry-After"] == "40"
    assert client.get(SEARCH, headers=bearer(OTHER)).status_code == 200
    now[0] += 40
    assert client.get(SEARCH, headers=bearer()).status_code == 200


def test_nothing_of_a_key_is_written(keyed, caplog):
    client = keyed(log_queries=True)
    with caplog.at_level(logging.DEBUG):
        client.get(SEARCH, headers=bearer())
        client.get(SEARCH, headers=bearer("another-wrong-key"))
        client.get("/", auth=("me", SECRET))
    assert '"key": "one"' in caplog.text
    for secret in (SECRET, digest(SECRET), "another-wrong-key"):
        assert secret not in caplog.text
        assert secret not in repr(client.application.extensions)
