"""BM25: text to terms, and the indexes that hold the terms. Nothing here knows vectors or queries' syntax."""
