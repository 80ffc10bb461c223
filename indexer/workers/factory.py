"""Choosing who parses and encodes: a Ray cluster where the settings name one, else this machine. One place."""

from __future__ import annotations

import importlib.util
from contextlib import AbstractContextManager, nullcontext

from indexer.encoder.interface import Encoder
from indexer.errors import UsageError
from indexer.settings import Settings
from indexer.workers.interface import Workers
from indexer.workers.local import LocalWorkers


def hired(settings: Settings, encoder: Encoder) -> AbstractContextManager[Workers]:
    """Return the workers that the settings name, there until the context ends.

    Raises UsageError where the extra is not installed, EnvironmentFailed where the cluster cannot be used.
    """
    if not settings.ray:
        return nullcontext(LocalWorkers(encoder, settings.processes))
    if importlib.util.find_spec("ray") is None:
        raise UsageError("--ray needs the extra `ray` (ray is not installed): pip install 'fathom-search[ray]'")
    from indexer.workers.ray import RayWorkers

    # What is there on this machine says nothing of a cluster: without a wish, all of that is used.
    most = settings.processes if "processes" in settings.model_fields_set else None
    return RayWorkers(settings.ray, encoder, model=settings.model, device=settings.device, most=most)
