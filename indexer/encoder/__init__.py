"""Text to vectors at several depths, and blocks to one vector a unit. Nothing here knows an index or a query."""
