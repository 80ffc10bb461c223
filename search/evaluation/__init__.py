"""Evaluation (extra `eval`): sets of questions with answers, systems that rank, and measures with their intervals."""

import importlib.util

from indexer.errors import UsageError


def require_measures() -> None:
    """Raise UsageError with the command that installs what is missing."""
    if importlib.util.find_spec("ir_measures") is None:
        raise UsageError("evaluation needs the extra `eval`: pip install 'fathom-search[eval]'")
