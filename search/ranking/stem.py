"""Signal: how much of the file's own name the query says."""

from search.ranking.candidates import Candidates, Scores
from search.ranking.overlap import name_terms, share_of_name


def signal(candidates: Candidates) -> Scores:
    """Return, for each candidate, the share of its file name's terms that the query has."""
    query = candidates.terms
    return candidates.by_path(lambda path: share_of_name(name_terms(_stem(path)), query))


def _stem(path: str) -> str:
    name = path.rpartition("/")[2]
    return name.rpartition(".")[0] or name
