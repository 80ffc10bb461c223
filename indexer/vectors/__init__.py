"""Nearest vectors: immutable segments of unit vectors and the ways to search them. Nothing here knows terms."""
