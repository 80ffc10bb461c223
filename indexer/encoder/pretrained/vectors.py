"""What a pretrained model gives, as the vectors that Fathom keeps."""

from __future__ import annotations

import numpy as np

from indexer.encoder.interface import Vectors
from indexer.errors import ModelDamaged


def unit_vectors(made: Vectors) -> Vectors:
    """Return vectors (n, dim) scaled to norm 1; one of zeros gets the first direction.

    Raises ModelDamaged for what is no number: weights that are damaged, or meant for other numbers.
    """
    if not np.isfinite(made).all():
        raise ModelDamaged("the model gives vectors that are not numbers; fetch it again")
    norms = np.linalg.norm(made, axis=1, keepdims=True)
    result: Vectors = (made / np.where(norms > 0, norms, 1)).astype(np.float32)
    result[norms[:, 0] == 0, 0] = 1
    return result
