"""Signal: how near the vector of the unit's whole file is to the query's."""

from search.ranking.candidates import Candidates, Scores


def signal(candidates: Candidates) -> Scores:
    """Return the cosine of each candidate's file: the normalised sum of its units' vectors."""
    return candidates.file_cosine
