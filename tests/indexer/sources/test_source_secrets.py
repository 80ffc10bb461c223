"""Redaction: every known format goes, code stays, lines stay where they are, hostile text costs little."""

import time

import pytest

from indexer.sources.secrets import REDACTED, redact

# Built from parts, so that no scanner takes this file for a leak.
B64 = "MIIEowIBAAKCAQEA" + "q7Zx3fT9" * 6
KEYS = {
    "aws id": "AKIA" + "Q3EGR5TT" * 2,
    "azure": "AccountKey=" + "aB3+" * 21 + "aB==",
    "discord": "M" + "TAx" * 8 + "." + "abc_12" + "." + "x9" * 13 + "z",
    "github": "gh" + "p_" + "a1B2c3" * 6,
    "github, fine-grained": "github" + "_pat_" + "A1b2C3d4" * 9,
    "gitlab": "gl" + "pat-" + "x1Y2" * 6,
    "google": "AI" + "za" + "b1C2d" * 7,
    "hugging face": "h" + "f_" + "aBcDe" * 6 + "fGhI",
    "jwt": "ey" + "JhbGciOi.eyJ" + "zdWIiOiIxMjM0" + ".SflKxwRJ_SMeKKF2QT4",
    "mailchimp": "0a1b2c3d" * 4 + "-us" + "12",
    "npm": "np" + "m_" + "aB3d" * 9,
    "openai": "s" + "k-" + "a1B2" * 5 + "T3Blbk" + "FJ" + "c3D4" * 5,
    "openai project": "s" + "k-proj-" + "a1B2" * 12,
    "pypi": "pyp" + "i-AgEIcHlwaS5vcmc" + "aB3d" * 20,
    "sendgrid": "S" + "G." + "aB" * 11 + "." + "cD3" * 14 + "e",
    "slack": "xo" + "xb-" + "123456789012-" + "abcdef123456",
    "square": "sq0" + "csp-" + "a1B" * 14 + "c",
    "stripe": "sk_" + "live_" + "a1B2c3" * 4,
    "telegram": "1234" + "56789:" + "AAb-_" * 7,
    "twilio": "A" + "C" + "0123abcd" * 4,
}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS.keys())
def test_every_format_is_redacted(key: str) -> None:
    redaction = redact(f'first\n    token = "{key}"  # why\nlast\n')
    assert key not in redaction.text
    assert redaction.count >= 1
    lines = redaction.text.split("\n")
    assert (lines[0], lines[2:]) == ("first", ["last", ""])
    assert REDACTED in lines[1]
    assert lines[1].startswith('    token = "')
    assert lines[1].endswith('"  # why')


@pytest.mark.parametrize("line", ['AWS_SECRET_ACCESS_KEY = "{}"', "aws_secret_access_key = {}", "awsSecretKey: '{}'"])
def test_secret_keys_of_aws_are_told_by_their_name(line: str) -> None:
    redaction = redact(line.format("wJa1rX/t+" * 4 + "EKEY"))
    assert redaction.text == line.format(REDACTED)
    assert redaction.count == 1


def test_passwords_in_addresses_go_and_placeholders_stay() -> None:
    secret = redact("url = 'postgres://admin:" + "S3cr3t-pw9" + "@db.example.org/x'")
    assert secret.text == f"url = 'postgres://admin:{REDACTED}@db.example.org/x'"
    for harmless in ("ftp://user:password@host/", "http://{user}:{password}@{host}", "git://h:$PASSWORD@x"):
        assert redact(harmless).count == 0


def test_two_keys_on_a_line_are_both_counted() -> None:
    redaction = redact(f"{KEYS['github']} {KEYS['stripe']}\r\nnext")
    assert redaction.text == f"{REDACTED} {REDACTED}\r\nnext"
    assert redaction.count == 2


@pytest.mark.parametrize("label", ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "])
def test_private_keys_keep_their_lines(label: str) -> None:
    mark = label + "PRIVATE " + "KEY-----"
    text = f"a\n-----BEGIN {mark}\nProc-Type: 4,ENCRYPTED\n\n{B64}\n{B64}\naB3=\n-----END {mark}\ndef f(): pass\n"
    redaction = redact(text)
    assert redaction.count == 1
    assert B64 not in redaction.text
    assert "aB3=" not in redaction.text
    assert redaction.text.count("\n") == text.count("\n")
    assert redaction.text.endswith(f"-----END {mark}\ndef f(): pass\n")


def test_private_keys_in_string_literals_go() -> None:
    mark = "PRIVATE " + "KEY-----"
    inline = redact(f'KEY = "-----BEGIN {mark}\\n{B64}\\nab12\\n-----END {mark}\\n"')
    assert B64 not in inline.text
    assert "ab12" not in inline.text
    pieces = redact(f'KEY = ("-----BEGIN {mark}\\n"\n    "{B64}\\n"\n    "-----END {mark}")\n')
    assert B64[5:] not in pieces.text
    assert (inline.count, pieces.count) == (1, 1)


def test_a_cut_off_private_key_goes_and_the_code_after_it_stays() -> None:
    mark = "PRIVATE " + "KEY-----"
    code = "def authenticate_with_certificate_and_password(connection):\n    return connection\n"
    redaction = redact(f"-----BEGIN {mark}\n{B64}\n\n{code}")
    assert B64 not in redaction.text
    assert redaction.text.endswith(code)


def test_putty_keys_go() -> None:
    redaction = redact("PuTTY-User-" + f"Key-File-2: ssh-rsa\nEncryption: none\nPrivate-Lines: 1\n{B64}\n")
    assert B64 not in redaction.text
    assert redaction.count == 1


@pytest.mark.parametrize(
    "code",
    [
        'BEGIN = "-----BEGIN PRIVATE ' + 'KEY-----"\nSOME_RATHER_LONG_CONSTANT_NAME = load(path)\n',
        "task-list = risk-free(mask-width)",
        "class ACLockManagerFactoryImplementationDetail: pass",
        "digest = 'da39a3ee5e6b4b0d3255bfef95601890afd80709'",
        "import eyJ\nregions = ['eu-us1']",
        "",
        "\x00\ufffd é 漢字 🦀 no secrets",
    ],
)
def test_code_is_left_alone(code: str) -> None:
    assert redact(code).text == code
    assert redact(code).count == 0


def test_letters_beyond_ascii_before_a_key_do_not_shift_it() -> None:
    redaction = redact(f"# 漢字 🦀 é\nx = '🦀 {KEYS['github']} é'\n")
    assert redaction.text == f"# 漢字 🦀 é\nx = '🦀 {REDACTED} é'\n"


@pytest.mark.parametrize(
    "piece",
    [
        "eyJ",
        "//",
        "AC",
        "aws key ",
        "MNO",
        "://a:",
        "1234567890:",
        "-us1",
        "-----BEGIN PRIVATE " + "KEY-----",
    ],
)
def test_hostile_repetition_takes_linear_time(piece: str) -> None:
    text = piece * (400_000 // len(piece)) + "_authToken"
    started = time.process_time()
    redact(text)
    # Linear passes take well under a second; a pattern that backtracks would take hours.
    assert time.process_time() - started < 20
