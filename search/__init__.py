"""Which units answer a query, in what order, and why. Never writes to an index."""
