"""A cluster that settings name: who asks it, for how long, and which error of ours its failures are.

Addresses and names may be said aloud; keys and passwords are handed to the client and nowhere else.
"""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from indexer.errors import EnvironmentFailed, IndexDamaged, ServerUnavailable, UsageError
from indexer.settings import Settings
from indexer.store.manifest import REPAIR

try:
    from elasticsearch import ApiError, Elasticsearch, TransportError, UnsupportedProductError
    from elasticsearch.exceptions import ElasticsearchWarning

    from indexer.cluster.quick_json import QuickJson
except ImportError as error:
    raise UsageError(
        "the back end `elasticsearch` needs its client: pip install 'fathom-search[elasticsearch]'"
    ) from error

# A request goes to another node so often before it has failed.
_RETRIES = 2
# Seconds that one batch may take to be written.
_WRITE_SECONDS = 60.0
# Who found nobody at home answers without asking again for so many seconds.
_REST_SECONDS = 2.0
# Statuses of a cluster that is there and cannot answer now.
_BUSY = frozenset({429, 502, 503, 504})


class Cluster:
    """A connection to the cluster of some settings; safe to share between threads, opened at the first request."""

    def __init__(self, settings: Settings) -> None:
        """Prepare; the settings are such as `indexer.backends` lets through."""
        self.name = settings.elasticsearch_name
        self.shards = settings.elasticsearch_shards
        self.address = ", ".join(map(_address, settings.elasticsearch_url))
        self._client = _client(settings)
        self._patient = self._client.options(request_timeout=_WRITE_SECONDS, retry_on_timeout=True)
        self._lock = threading.Lock()
        self._rests_until, self._why = 0.0, ""
        # Called before each document is written; raises where this process may not write any more.
        self.refuse: Callable[[], object] = lambda: None

    @contextmanager
    def asked(self) -> Iterator[Elasticsearch]:
        """Yield the client for a search; raise ServerUnavailable at once where nobody answered a moment ago."""
        with self._lock:
            if time.monotonic() < self._rests_until:
                raise ServerUnavailable(self._why)
        try:
            with self._errors():
                yield self._client
        except ServerUnavailable as error:
            with self._lock:
                self._rests_until, self._why = time.monotonic() + _REST_SECONDS, str(error)
            raise

    @contextmanager
    def written(self) -> Iterator[Elasticsearch]:
        """Yield the client for writing, which is patient."""
        with self._errors():
            yield self._patient

    def indices(self, kind: str) -> list[str]:
        """Return the indices of a kind under this name."""
        with self.written() as client:
            found = client.indices.get(index=f"{self.name}-{kind}-*", features=["aliases"], expand_wildcards="all")
            return sorted(found)

    def size(self) -> int:
        """Return the bytes on disk of everything under this name, each shard counted once."""
        with self.written() as client:
            found = client.indices.stats(index=f"{self.name}-*", metric="store")
        return int(found["_all"]["primaries"].get("store", {}).get("size_in_bytes", 0))

    def clear(self) -> None:
        """Delete every index under this name."""
        with self.written() as client:
            if found := sorted(client.indices.get(index=f"{self.name}-*", expand_wildcards="all")):
                client.indices.delete(index=found)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except UnsupportedProductError as error:
            raise EnvironmentFailed(f"what answers at {self.address} is not Elasticsearch 8.19 or 9") from error
        except ApiError as error:
            raise self._refused(error) from error
        except TransportError as error:
            # Its text names the node, and never what we authenticate with.
            raise ServerUnavailable(f"Elasticsearch at {self.address} does not answer: {error.message}") from error

    def _refused(self, error: ApiError) -> Exception:
        status, reason = error.status_code, _reason(error)
        where = f"Elasticsearch at {self.address}"
        if status in _BUSY:
            return ServerUnavailable(f"{where} cannot answer now ({status}: {reason}); try again in a moment")
        if status in (401, 403):
            cure = "set FATHOM_ELASTICSEARCH_KEY, or FATHOM_ELASTICSEARCH_USER and _PASSWORD, of one who may use it"
            return EnvironmentFailed(f"{where} refused the credentials ({status}: {reason}); {cure}")
        if "media_type_header" in reason or status == 406:
            return EnvironmentFailed(f"{where} is of another version; Fathom speaks with 8.19 and 9")
        if "index_not_found" in reason:
            return IndexDamaged(f"an index is missing in {where} ({reason}); {REPAIR}")
        return EnvironmentFailed(f"{where} refused a request ({status}: {reason})")


def _address(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port}"


def _client(settings: Settings) -> Elasticsearch:
    # That a cluster on this machine asks for no password is for its owner to know, not for each request to say.
    warnings.filterwarnings("ignore", "Elasticsearch built-in security", ElasticsearchWarning)
    options: dict[str, Any] = {
        "request_timeout": settings.elasticsearch_seconds,
        "max_retries": _RETRIES,
        "serializer": QuickJson(),
    }
    if key := settings.elasticsearch_key.get_secret_value():
        options["api_key"] = key
    if settings.elasticsearch_user:
        options["basic_auth"] = (settings.elasticsearch_user, settings.elasticsearch_password.get_secret_value())
    if settings.elasticsearch_ca is not None:
        options["ca_certs"] = str(settings.elasticsearch_ca)
    return Elasticsearch(list(settings.elasticsearch_url), **options)


def _reason(error: ApiError) -> str:
    """Return the type and the reason that a cluster gives, in one line; a body that is none of its own says nothing."""
    body = error.body if isinstance(error.body, dict) else {}
    cause: Any = body.get("error")
    causes: Sequence[Any] = cause.get("root_cause", []) if isinstance(cause, dict) else []
    first = causes[0] if causes and isinstance(causes[0], dict) else cause
    if isinstance(first, dict):
        return f"{first.get('type')}: {first.get('reason')}"[:300]
    return str(error.message)[:300]
