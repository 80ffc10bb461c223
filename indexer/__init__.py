"""How source code becomes something that can be searched.

Sources, languages, splitting, encoder, store and the two indexes live here; a query, an HTTP
request or a terminal does not.
"""
