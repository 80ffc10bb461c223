"""An Elasticsearch cluster as the back ends share it: a connection, bulk writing, listings. Lays out no index."""
