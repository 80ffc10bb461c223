"""Key-like strings are taken out of a text before anything of it is stored.

The patterns are those of detect-secrets' plug-ins for known formats, and a few newer formats. Entropy
and keyword detectors are left out on purpose: they would take code away.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module

import re2

REDACTED = "[redacted]"

_PLUGINS = (
    *("aws.AWSKeyDetector", "azure_storage_key.AzureStorageKeyDetector", "discord.DiscordBotTokenDetector"),
    *("github_token.GitHubTokenDetector", "gitlab_token.GitLabTokenDetector", "jwt.JwtTokenDetector"),
    *("mailchimp.MailchimpDetector", "npm.NpmDetector", "openai.OpenAIDetector"),
    *("pypi_token.PypiTokenDetector", "sendgrid.SendGridDetector", "slack.SlackDetector"),
    *("square_oauth.SquareOAuthDetector", "stripe.StripeDetector"),
    *("telegram_token.TelegramBotTokenDetector", "twilio.TwilioKeyDetector"),
)
# Formats that the plug-ins do not know; a group is the secret part.
_NEWER = (
    r"AIza[0-9A-Za-z_-]{35}",
    r"github_pat_[0-9A-Za-z_]{60,}",
    r"npm_[0-9A-Za-z]{36}",
    r"hf_[A-Za-z]{34}",
    r"xapp-\d-[A-Z0-9]{8,}-\d+-[a-z0-9]{32,}",
    r"sk-(?:ant|proj|svcacct)-[0-9A-Za-z_-]{40,}",
    r"(?i)aws_secret_access_key\s{0,8}[=:]\s{0,8}([0-9a-z/+]{40})\b",
    r"[a-z]://[^\s:/?#@\"'{}<>$%]{1,64}:([^\s:/?#@\"'{}<>$%*]{8,128})@[\w.-]+",
)
# What a text must hold before the patterns run: a fixed part of each. One linear pass instead of thirty.
_HINT = (
    r"A3T[A-Z0-9]|ABIA|ACCA|AKIA|ASIA|(?i:aws.{0,20}(?:key|pwd|pw|password|pass|token))|AccountKey="
    r"|[\w-]{24}\.[\w-]{6}\.[\w-]{27}|gh[pousr]_|github_pat_|GR1348941|gl(?:[a-z]{2}|[a-z]{3}|[a-z]{5})-"
    r"|eyJ|-us\d|_authToken|npm_|sk-|pypi-AgE|SG\.[\w-]{22}|(?i:xox[abpors]-|hooks\.slack\.com)|xapp-|sq0csp-|k_live_"
    r"|\d{8}:[\w-]{35}|[AS][CK][a-z0-9]{32}|AIza|hf_|://[^\s:/@]+:[^\s:/@]+@"
)
# A group that is shorter is a marker of the format ("ghp"), not the secret.
_SHORTEST_SECRET = 8
# Passwords that only stand for one.
_PLACEHOLDERS = frozenset(("password", "passwort", "your_password", "yourpassword", "mypassword", "hostname"))
_TAIL = r"[0-9A-Za-z_=+/-]*"

_KEY_MARK = "PRIVATE KEY"
_PUTTY_MARK = "PuTTY-User-Key-File-"
_KEY_BEGIN = r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----|PuTTY-User-Key-File-\d"
_KEY_END = r"-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
# A line of a key: base64, quoted, indented or escaped as the language around it wants; or "Name: value".
_KEY_LINE = r"[\s\"'`+,;#*|>.()-]*(?:/[/*])?\s*=?[0-9A-Za-z+/]*={0,2}(?:\\[rn])*[\s\"'`+,;.\\()]*"
_KEY_HEADER = r"[\s\"'`#*|>]*[A-Z][A-Za-z-]{2,30}: .{0,200}"
_KEY_RUN = r"[0-9A-Za-z+/=]{16,}"
# Between the marks of one line every run of base64 is key; this short ones are escapes and quotes.
_KEY_RUN_INLINE = r"[0-9A-Za-z+/=]{4,}"


@dataclass(frozen=True, slots=True)
class Redaction:
    """A text without its secrets, and how many there were."""

    text: str
    count: int


def redact(text: str) -> Redaction:
    """Replace key-like strings by `[redacted]`; every line stays where it is.

    Takes text that UTF-8 can hold (`decode` gives no other) and linear time.
    """
    blocks = 0
    if _KEY_MARK in text or _PUTTY_MARK in text:
        text, blocks = _redact_key_blocks(text)
    places = list(_hinted_lines(text))
    pieces, count, done = [], blocks, 0
    for start, end in places:
        line, found = _redact_line(text[start:end])
        pieces += [text[done:start], line]
        count, done = count + found, end
    return Redaction("".join((*pieces, text[done:])) if pieces else text, count)


def _hinted_lines(text: str) -> Iterator[tuple[int, int]]:
    """Yield where the lines with a hint start and end."""
    hint, end = _regex(_HINT), -1
    for match in hint.finditer(text):
        if match.start() >= end:
            start = text.rfind("\n", 0, match.start()) + 1
            end = text.find("\n", match.start())
            end = len(text) if end < 0 else end
            yield start, end


def _redact_line(line: str) -> tuple[str, int]:
    spans: list[tuple[int, int]] = []
    for pattern in _patterns():
        spans += filter(None, (_secret(match) for match in _regex(pattern).finditer(line)))
    pieces, done, count = [], 0, 0
    for start, end in sorted(spans):
        if start >= done:
            pieces += [line[done:start], REDACTED]
            count += 1
        done = max(done, end)
    return "".join((*pieces, line[done:])), count


def _secret(match: re.Match[str]) -> tuple[int, int] | None:
    """Return where the secret of a match starts and ends, its tail included."""
    groups = match.re.groups
    part = 1 if groups and match.end(1) - match.start(1) >= _SHORTEST_SECRET else 0
    if match.group(part).lower() in _PLACEHOLDERS:
        return None
    return match.start(part), match.end(part)


def _redact_key_blocks(text: str) -> tuple[str, int]:
    lines, count = text.split("\n"), 0
    number = 0
    while number < len(lines):
        begin = _regex(_KEY_BEGIN).search(lines[number])
        number += 1
        if begin is not None:
            number, found = _redact_key_block(lines, number - 1, begin.end())
            count += found
    return "\n".join(lines), count


def _redact_key_block(lines: list[str], first: int, offset: int) -> tuple[int, bool]:
    """Redact the key that begins in line `first`; return the line after it and whether there was one."""
    head, rest = lines[first][:offset], lines[first][offset:]
    end = _regex(_KEY_END).search(rest)
    run = _KEY_RUN if end is None else _KEY_RUN_INLINE
    body, tail = (rest, "") if end is None else (rest[: end.start()], rest[end.start() :])
    lines[first] = head + _regex(run).sub(REDACTED, body) + tail
    found, number = lines[first] != head + rest, first + 1
    while end is None and number < len(lines) and _is_key_line(lines[number]):
        # The last line of a key may be short: once the key is there, every run belongs to it.
        redacted = _regex(_KEY_RUN_INLINE if found else _KEY_RUN).sub(REDACTED, lines[number])
        found = found or redacted != lines[number]
        lines[number] = redacted
        number += 1
    return number, found


def _is_key_line(line: str) -> bool:
    return _regex(_KEY_LINE).fullmatch(line) is not None or _regex(_KEY_HEADER).fullmatch(line) is not None


@lru_cache(maxsize=64)
def _regex(pattern: str) -> re.Pattern[str]:
    compiled: re.Pattern[str] = re2.compile(pattern)  # has the same methods, in linear time
    return compiled


@lru_cache(maxsize=1)
def _patterns() -> tuple[str, ...]:
    """Return every pattern, as RE2 reads it and with the tail of the key it may have cut."""
    known = []
    for plugin in _PLUGINS:
        module, _, name = plugin.partition(".")
        detector = getattr(import_module(f"detect_secrets.plugins.{module}"), name)
        known += [_for_re2(regex.pattern, regex.flags) for regex in detector.denylist]
    return (*known, *_NEWER)


def _for_re2(pattern: str, flags: int) -> str:
    """Return a plug-in's pattern without what RE2 lacks: lookahead and counts above 1,000."""
    pattern = pattern.replace(r"(?!\w)", "").replace("{50,1024}", "{50,}")
    if pattern.startswith("eyJ"):
        pattern = pattern.removesuffix("*?") + "*"  # the signature, too
    whole = pattern if "(" in pattern else pattern + _TAIL
    return f"(?i){whole}" if flags & re.IGNORECASE else whole
