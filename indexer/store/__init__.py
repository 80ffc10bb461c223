"""The one source of truth: files, units, blocks, block vectors, the generation and the writer lock."""
