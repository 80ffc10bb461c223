"""JSON as a cluster is asked and answers, by pydantic's core: Python's own takes twice as long.

What that is too strict for, such as half a surrogate pair in a text, is left to the client's own.
"""

from __future__ import annotations

from typing import Any

from elasticsearch.serializer import JsonSerializer
from pydantic_core import from_json, to_json


class QuickJson(JsonSerializer):
    """A serializer for the client's requests and answers; raises what the client's own does."""

    def json_loads(self, data: bytes) -> Any:
        """Return the value that JSON says."""
        try:
            return from_json(data)
        except ValueError:
            return super().json_loads(data)

    def json_dumps(self, data: Any) -> bytes:
        """Return a value as JSON."""
        try:
            return to_json(data)
        except ValueError:
            return super().json_dumps(data)
