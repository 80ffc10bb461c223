"""Fathom: semantic code search. `from fathom import Engine, Index` is the whole of it."""

from indexer.errors import FathomError, QueryError, UsageError
from indexer.index import Index
from indexer.settings import Settings
from search.engine import Engine
from search.retrieval import Mode
from search.types import Answer, Hit

__all__ = ["Answer", "Engine", "FathomError", "Hit", "Index", "Mode", "QueryError", "Settings", "UsageError"]
