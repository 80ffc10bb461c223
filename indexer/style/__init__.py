"""One style for what both paths compare: identifiers split, code in a normal form.

Nothing here knows an index or a query.
"""
