"""Settings of back ends that do not go together, or are not enough: refused by name, before anything is opened."""

from __future__ import annotations

from urllib.parse import urlsplit

from indexer.errors import UsageError
from indexer.settings import Backend, Settings


def refuse_contradictions(settings: Settings) -> None:
    """Raise UsageError, naming them, for settings of back ends that do not go together."""
    for url in settings.elasticsearch_url:
        _refuse_address(url)
    if settings.backend is Backend.EMBEDDED:
        _refuse_leftovers(settings)
    elif not settings.elasticsearch_url:
        raise UsageError(f"the back end {settings.backend.value} needs an address: --url, or FATHOM_ELASTICSEARCH_URL")
    else:
        _refuse_credentials(settings)


def _refuse_leftovers(settings: Settings) -> None:
    if settings.elasticsearch_url:
        raise UsageError(
            f"the address {settings.elasticsearch_url[0]} is of Elasticsearch, and the back end is embedded: add "
            "--backend elasticsearch or elasticsearch-alone, or leave out --url (or FATHOM_ELASTICSEARCH_URL)"
        )


def _refuse_credentials(settings: Settings) -> None:
    user, ca = settings.elasticsearch_user, settings.elasticsearch_ca
    if settings.elasticsearch_key.get_secret_value() and user:
        raise UsageError("FATHOM_ELASTICSEARCH_KEY and FATHOM_ELASTICSEARCH_USER are both set; use one of them")
    if bool(user) != bool(settings.elasticsearch_password.get_secret_value()):
        raise UsageError("FATHOM_ELASTICSEARCH_USER and FATHOM_ELASTICSEARCH_PASSWORD go together")
    if ca is None:
        return
    if not all(url.startswith("https://") for url in settings.elasticsearch_url):
        raise UsageError("FATHOM_ELASTICSEARCH_CA is for https addresses")
    if not ca.is_file():
        raise UsageError(f"FATHOM_ELASTICSEARCH_CA names {ca}, which is no file")


def _refuse_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname)
        port = parts.port
    except ValueError:
        whole, port, parts = False, None, urlsplit("")
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            "an address of Elasticsearch holds a user; addresses are shown: use FATHOM_ELASTICSEARCH_USER and _PASSWORD"
        )
    if not whole or port is None:
        raise UsageError(f"{url!r} is no address of Elasticsearch; it looks like https://host:9200")
