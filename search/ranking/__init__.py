"""Ranking: one signal a file, a linear model over them, and the weights that it was fitted with."""
