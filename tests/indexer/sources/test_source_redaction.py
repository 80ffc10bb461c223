"""Keys are taken out, code stays. Every key here is put together, so that no scanner mistakes this file."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.sources.secrets import redact

A = "a1B2c3D4e5F6g7H8i9J0" * 10
DIGITS, HEX, LOWER = "1234567890", "0f1e2d3c" * 16, "a1b2c3d4" * 16
HEADER = "ey" + "JhbGciOiJIUzI1NiJ9"
BODY = "ey" + "JzdWIiOiJhYmMifQ"

TOKENS = {
    "aws": "AK" + "IA" + "QWERTYUIOPASDFGH",
    "github": "gh" + "p_" + A[:36],
    "github fine-grained": "github" + "_pat_" + A[:82],
    "gitlab": "gl" + "pat-" + A[:20],
    "slack": "xo" + "xb-" + "123456-789-" + "abcdef",
    "slack webhook": "https://hooks." + "slack.com/services/T0A/B0B/" + A[:24],
    "stripe": "sk" + "_live_" + A[:24],
    "sendgrid": "S" + "G." + A[:22] + "." + A[:43],
    "pypi": "pypi" + "-AgEIcHlwaS5vcmc" + A[:80],
    "openai": "sk" + "-" + A[:20] + "T3Blb" + "kFJ" + A[:20],
    "anthropic": "sk" + "-ant-api03-" + A[:90],
    "google": "AI" + "za" + A[:35],
    "twilio": "S" + "K" + LOWER[:32],
    "telegram": DIGITS[:9] + ":" + A[:35],
    "discord": "M" + A[:24] + "." + A[:6] + "." + A[:27],
    "mailchimp": HEX[:32] + "-us" + "12",
    "square": "sq0" + "csp-" + A[:43],
    "jwt": HEADER + "." + BODY + "." + A[:43],
}


@pytest.mark.parametrize("name", TOKENS)
@pytest.mark.parametrize("line", ['key = "{}"', "key: {}", "curl -H 'X: {}' x", "é = '{}'  # ü"])
def test_known_formats_are_taken_out_whole(name: str, line: str) -> None:
    before, after = line.split("{}")
    redaction = redact(f"import os\n{line.format(TOKENS[name])}\nprint()\n")
    assert redaction.count == 1
    assert redaction.text == f"import os\n{before}[redacted]{after}\nprint()\n"


@pytest.mark.parametrize(
    ("before", "key", "after"),
    [
        ("aws_secret_key = '", A[:40], "'"),
        ("AccountKey=", "", ""),
        ("https://user:", "s3cr3t-w0rd", "@host.example/x"),
        ("//registry.example/:_authToken=", HEX[:8] + "-" + HEX[:4] + "-4444-8888-" + HEX[:12], ""),
    ],
)
def test_only_the_secret_part_is_taken_out(before: str, key: str, after: str) -> None:
    key = key or A[:86] + "=="
    text = redact(f"x\n{before}{key}{after}\ny").text
    assert key not in text
    assert text.splitlines()[0::2] == ["x", "y"]
    assert text.splitlines()[1].endswith(after)


def pem(kind: str, lines: int = 4) -> list[str]:
    marks = [f"-----{word} {kind}PRIVATE KEY-----" for word in ("BEGIN", "END")]
    return [marks[0], *[A[:64]] * lines, A[:20] + "==", marks[1]]


@pytest.mark.parametrize("kind", ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "])
@pytest.mark.parametrize("form", ["{}", '    "{}\\n"', "# {}", "'{}' +"])
def test_every_line_of_a_private_key_is_taken_out(kind: str, form: str) -> None:
    key = [form.format(line) for line in pem(kind)]
    redaction = redact("\n".join(["x = 1", *key, "y = 2"]))
    lines = redaction.text.split("\n")
    assert redaction.count == 1
    assert len(lines) == len(key) + 2
    assert A[:20] not in redaction.text
    assert (lines[0], lines[1], lines[-2], lines[-1]) == ("x = 1", key[0], key[-1], "y = 2")


def test_a_key_in_one_line_of_json_is_taken_out() -> None:
    redaction = redact('{"id": 7, "private_key": "' + "\\n".join(pem("")) + '", "name": "x"}')
    assert A[:20] not in redaction.text
    assert redaction.text.startswith('{"id": 7, "private_key": "')
    assert redaction.text.endswith('", "name": "x"}')


@pytest.mark.parametrize(
    "code",
    [
        'if "BEGIN RSA ' + 'PRIVATE KEY" in line:\n    return parse_the_private_key(line, password=None)\n',
        'BEGIN = "-----BEGIN ' + 'PRIVATE KEY-----"\n\ndef load(path):\n    return open(path).read()\n',
        'url = f"https://{user}:{password}@{host}/"\n',
        'url = "https://user:password@host/"\n',
        "sha = '" + HEX[:40] + "'\n",
        "AccountKeyBuilder eyJ ghp_ sk_live_ xoxb AKIA SG. pypi-AgE\n",
        "APB2PeripheralClockEnable = APPLICATION_NAME_AND_VERSION\n",
        "monkeys = {'a': 1}; key = lambda token: token.password\n",
        "@user:pass std::vector<int>::iterator a://b:c\n",
    ],
)
def test_code_that_speaks_of_keys_stays(code: str) -> None:
    assert redact(code) == type(redact(""))(code, 0)


@pytest.mark.parametrize(
    "text",
    [
        "ey" + "J" * 500_000,
        "sk-" * 100_000 + "T3Blb" + "kFJ",
        "/" * 500_000 + "/:_authToken=",
        ("-----BEGIN " + "PRIVATE KEY-----\n") * 30_000,
        "xo" + "xb-" + "1-" * 400_000,
        "://a:b" * 150_000,
        ("AK" + "IA" + "Q" * 16 + "\n") * 10_000,
        "gl" + "pat-" + "-" * 800_000,
        "secret_key" * 80_000,
        "softlayer_key" * 60_000,
    ],
    ids=["jwt", "openai", "npm", "blocks", "slack", "auth", "aws", "gitlab", "cos", "softlayer"],
)
@pytest.mark.timeout(20)
def test_hostile_text_takes_linear_time(text: str) -> None:
    started = time.process_time()
    redact(text)
    assert time.process_time() - started < 10  # quadratic time would take minutes


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_text_keeps_its_lines(text: str) -> None:
    redaction = redact(text)
    assert redaction.text.count("\n") == text.count("\n")
    assert redact(redaction.text).text == redaction.text
