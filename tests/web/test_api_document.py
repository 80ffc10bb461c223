"""The OpenAPI document: valid, about exactly the routes there are, and true of what they say."""

import re

import pytest

pytest.importorskip("flask", reason="the extra `web` is not installed: pip install 'fathom-search[web]'")
from web.operations import OPERATIONS

_MACHINE = re.compile(r"^(/api/|/healthz|/readyz|/metrics)")


def test_it_is_valid_openapi(client):
    validator = pytest.importorskip(
        "openapi_spec_validator", reason="not installed: pip install openapi-spec-validator"
    ).OpenAPIV31SpecValidator
    document = client.get("/api/v1/openapi.json").json
    assert document["openapi"] == "3.1.0"
    assert list(validator(document).iter_errors()) == []


def test_it_names_exactly_the_routes_that_exist(client):
    rules = [rule for rule in client.application.url_map.iter_rules() if _MACHINE.match(rule.rule)]
    exist = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in rules
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    paths = client.get("/api/v1/openapi.json").json["paths"]
    assert {(path, method) for path, item in paths.items() for method in item} == exist
    assert {rule.endpoint for rule in rules} == set(OPERATIONS)


def test_every_operation_has_its_own_name_and_says_what_it_takes(client):
    paths = client.get("/api/v1/openapi.json").json["paths"]
    operations = [operation for item in paths.values() for operation in item.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    asked = {parameter["name"]: parameter for parameter in paths["/api/v1/search"]["get"]["parameters"]}
    assert asked["query"]["required"]
    assert asked["k"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 1000, "default": 10}
    assert asked["budget"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 1_000_000}
    assert asked["mode"]["schema"]["$ref"].endswith("/Mode")


def test_errors_are_described_in_the_one_shape(client):
    document = client.get("/api/v1/openapi.json").json
    for item in document["paths"].values():
        for operation in item.values():
            refused = {status: said for status, said in operation["responses"].items() if status >= "400"}
            assert {"403", "421"} <= set(refused)
            for said in refused.values():
                assert said["content"] == {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorAnswer"}}}


def test_keys_are_in_it_where_they_are_asked_for(client, make, tmp_path):
    assert "securitySchemes" not in client.get("/api/v1/openapi.json").json["components"]
    (tmp_path / "keys.toml").write_text(f'[[key]]\nname = "a"\nsha256 = "{"0" * 64}"\nscopes = ["search"]\n')
    document = make(keys=tmp_path / "keys.toml").get("/api/v1/openapi.json").json
    assert set(document["components"]["securitySchemes"]) == {"bearer", "header", "password"}
    paths = document["paths"]
    assert paths["/api/v1/units/{unit_id}"]["get"]["security"] == [
        {"bearer": ["read"]}, {"header": ["read"]}, {"password": ["read"]},
    ]  # fmt: skip
    assert {"401", "429"} <= set(paths["/api/v1/search"]["get"]["responses"])
    assert paths["/healthz"]["get"]["security"] == []


def test_it_says_no_null_where_an_address_can_say_none(client):
    for item in client.get("/api/v1/openapi.json").json["paths"].values():
        for operation in item.values():
            assert "null" not in str(operation["parameters"])
