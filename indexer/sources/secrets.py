"""Key-like strings are taken out of a text before anything of it is stored.

Patterns are those of detect-secrets' plug-ins for known formats. Entropy and keyword detectors are
left out on purpose: they would take code away.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import re2

REDACTED = "[redacted]"

_PLUGINS = (
    *("aws.AWSKeyDetector", "azure_storage_key.AzureStorageKeyDetector", "discord.DiscordBotTokenDetector"),
    *("github_token.GitHubTokenDetector", "gitlab_token.GitLabTokenDetector", "jwt.JwtTokenDetector"),
    *(
        "mailchimp.MailchimpDetector",
        "npm.NpmDetector",
        "openai.OpenAIDetector",
        "pypi_token.PypiTokenDetector",
    ),
    *("sendgrid.SendGridDetector", "slack.SlackDetector", "square_oauth.SquareOAuthDetector"),
    *("stripe.StripeDetector", "telegram_token.TelegramBotTokenDetector", "twilio.TwilioKeyDetector"),
)
# What a line must hold before the plug-ins look at it: a fixed part of every format above.
_HINT = (
    r"AKIA|ASIA|AGPA|AIDA|AROA|AIPA|ANPA|ANVA|A3T|aws.{0,20}(?:key|pwd|pw|password|pass|token)|AccountKey="
    r"|[MNO][A-Za-z\d_-]{23,}\.|gh[pousr]_|gl(?:pat|dt|ft|soat|rt|cbt|imt|agent)-|GR1348941|eyJ|-us\d"
    r"|_authToken|sk-|pypi-|SG\.|xox|hooks\.slack|sq0csp|k_live_|\d{8,10}:[\w-]{35}|AC[a-z0-9]{32}|SK[a-z0-9]{32}"
)
_PRIVATE_KEY = re.compile(
    r"(-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----)(.*?)(-----END [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----|\Z)",
    re.S,
)
_KEY_LINE = re.compile(r"[A-Za-z0-9+/=]{20,}")


@dataclass(frozen=True, slots=True)
class Redaction:
    """A text without its secrets and how many there were."""

    text: str
    count: int


def redact(text: str) -> Redaction:
    """Replace key-like strings; lines stay where they are."""
    text, blocks = _private_keys(text) if "PRIVATE KEY" in text else (text, 0)
    if _hint().search(text) is None:
        return Redaction(text, blocks)
    lines = text.split("\n")
    count = blocks
    for number, line in enumerate(lines):
        if _hint().search(line) is not None:
            lines[number], found = _redact_line(line)
            count += found
    return Redaction("\n".join(lines), count)


def _redact_line(line: str) -> tuple[str, int]:
    count = 0
    for pattern in _patterns():
        for match in reversed(list(pattern.finditer(line))):
            group = 1 if pattern.groups and match.group(1) else 0
            start, end = match.span(group)
            if end - start >= 8:  # a shorter group is a marker of the format, not the secret
                line = line[:start] + REDACTED + line[end:]
                count += 1
    return line, count


def _private_keys(text: str) -> tuple[str, int]:
    count = 0

    def body(match: re.Match[str]) -> str:
        nonlocal count
        replaced, keys = _KEY_LINE.subn(REDACTED, match.group(2))
        count += bool(keys)
        return match.group(1) + replaced + match.group(3)

    return _PRIVATE_KEY.sub(body, text), count


@lru_cache(maxsize=1)
def _hint() -> re2._Regexp:
    options = re2.Options()
    options.case_sensitive = True
    return re2.compile(_HINT, options=options)


@lru_cache(maxsize=1)
def _patterns() -> tuple[re.Pattern[str], ...]:
    from importlib import import_module

    patterns: list[re.Pattern[str]] = []
    for plugin in _PLUGINS:
        module, _, name = plugin.partition(".")
        detector = getattr(import_module(f"detect_secrets.plugins.{module}"), name)
        patterns.extend(detector.denylist)
    return tuple(patterns)
