"""Signal: how near the unit's vector is to the query's."""

from search.ranking.candidates import Candidates, Scores


def signal(candidates: Candidates) -> Scores:
    """Return each candidate's cosine."""
    return candidates.cosine
