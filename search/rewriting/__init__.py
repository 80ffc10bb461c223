"""Rewriting: what was generated for a query or for code, combined with what was there. Models are elsewhere."""
