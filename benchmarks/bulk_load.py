"""How fast does an index go into a cluster, and how large is it there? Copies an embedded one, vectors and all.

Run: python -m benchmarks.bulk_load --index DIR --url http://localhost:9200
"""

from __future__ import annotations

import argparse
import time
import uuid
from pathlib import Path
from typing import Any

from benchmarks.machine import write_result
from indexer.backends import Backends
from indexer.cluster.connection import Cluster
from indexer.index import load_encoder
from indexer.migration import migrate
from indexer.settings import Backend, Settings


def main() -> None:
    """Copy, count, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--index", type=Path, required=True, help="an embedded index with vectors")
    parser.add_argument("--url", required=True, help="address of an Elasticsearch")
    arguments = parser.parse_args()
    there = Settings(
        index=arguments.index,
        backend=Backend.ELASTICSEARCH_ALONE,
        elasticsearch_url=(arguments.url,),
        elasticsearch_name=f"load-{uuid.uuid4().hex[:8]}",
    )
    cluster = Cluster(there)
    try:
        figures = _loaded(there, cluster)
    finally:
        cluster.clear()
    for key, value in figures.items():
        print(f"{key}: {value}")
    print(f"written to {write_result('bulk_load', figures)}")


def _loaded(there: Settings, cluster: Cluster) -> dict[str, Any]:
    encoder = load_encoder(there)
    started = time.perf_counter()
    manifest = migrate(there.index, there, encoder)
    took = time.perf_counter() - started
    size = {kind: _size(cluster, kind) for kind in ("store", "lexical", "vectors")}
    embedded = Backends(there.index, Settings(index=there.index)).size()
    return {
        "units": manifest.documents,
        "vectors": manifest.encoded,
        "seconds": round(took, 1),
        "units_per_s": round(manifest.documents / took),
        "bytes_by_index": size,
        "bytes_per_unit": round(sum(size.values()) / manifest.documents),
        "embedded_bytes_per_unit": round(embedded / manifest.documents),
    }


def _size(cluster: Cluster, kind: str) -> int:
    """Return the bytes of one kind of index, merged as a quiet cluster would have it."""
    with cluster.written() as client:
        name = f"{cluster.name}-{kind}-*"
        client.options(request_timeout=600).indices.forcemerge(index=name, max_num_segments=1)
        client.indices.flush(index=name)
        found = client.indices.stats(index=name, metric="store")
    return int(found["_all"]["primaries"]["store"]["size_in_bytes"])


if __name__ == "__main__":
    main()
