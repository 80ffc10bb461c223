"""Signal: the unit's BM25 score."""

from search.ranking.candidates import Candidates, Scores


def signal(candidates: Candidates) -> Scores:
    """Return each candidate's BM25 score."""
    return candidates.bm25
