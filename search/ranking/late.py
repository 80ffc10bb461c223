"""Signal: late interaction: how near the unit's words come to each word of the query (ColBERT's MaxSim, at exit 0)."""

import numpy as np

from search.ranking.candidates import Candidates, Scores


def signal(candidates: Candidates) -> Scores:
    """Return, for the likeliest candidates, the mean over the query's words, by weight, of the nearest word's cosine.

    The others get what the least of them has.
    """
    asked, seeds = candidates.words, candidates.seeds
    if candidates.word_vectors is None or not asked or not seeds:
        return np.zeros(len(candidates.heads))
    nearest = candidates.word_vectors.nearest(list(asked), list(seeds.values()))
    weights = np.fromiter(asked.values(), np.float64, len(asked))
    found = nearest @ weights / max(weights.sum(), 1e-9)
    scores = np.full(len(candidates.heads), found.min())
    scores[list(seeds)] = found
    return scores
