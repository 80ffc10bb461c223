"""Ranking: one signal a file, a linear model over them. No index is asked here."""
