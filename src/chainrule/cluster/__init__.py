"""Rows in chunks, on Dask: data that no memory holds, computed by threads, by processes or by other machines."""

try:
    from chainrule.cluster.chunked_rows import ChunkBatches, ChunkedRows, taken
    from chainrule.cluster.client import connected
    from chainrule.cluster.waiting import ClusterError
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in ("dask", "distributed"):
        raise
    raise ImportError("rows in chunks need Dask: pip install '.[cluster]' in chainrule's folder") from error

__all__ = ["ChunkBatches", "ChunkedRows", "ClusterError", "connected", "taken"]
