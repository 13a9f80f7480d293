"""Read statistics: one Arrow table over all months of a collection."""

import io
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.parquet

from pileus import keys
from pileus.edges.store import Store, load, split
from pileus.models import Output, Partition, safe, unsafe
from pileus.outputs.commit import read_manifest
from pileus.outputs.series import near

PARALLEL = 8
"""Objects that are read in parallel."""
KINDS = (keys.TABLES, keys.ZONES, "clips", "pictures")


def tables(store: Store, bucket: str, collection: str) -> Iterator[tuple[Partition, str, int]]:
    """Yield partition, address and size of every table of a collection, all versions, in order of address."""
    root = f"s3://{bucket}/"
    for url, size in store.list(f"{root}{keys.TABLES}/collection={safe(collection)}/"):
        yield keys.partition_of(url.removeprefix(root)), url, size


def folders(collection: str) -> tuple[str, ...]:
    """Return the beginnings of the keys of all objects that are of one collection alone."""
    name = safe(collection)
    kinds = (f"{kind}/collection={name}/" for kind in KINDS)
    return (*kinds, f"csv/{name}/", f"stac/{name}/", f"{keys.MANIFESTS}/{name}/")


def objects(store: Store, bucket: str, collection: str) -> Iterator[tuple[str, int]]:
    """Yield the address and the size in bytes of everything that was written for a collection.

    1. What lies under the collection's own folders of the bucket.
    2. What its manifests name elsewhere: the CSVs of the classic statistics.
    3. The archives that it keeps, older versions too, in the buckets that its manifests name.
    """
    name = safe(collection)
    seen = set()
    for prefix in folders(collection):
        for url, size in store.list(f"s3://{bucket}/{prefix}"):
            seen.add(url)
            yield url, size
    outputs = _outputs(store, [url for url in seen if url.startswith(f"s3://{bucket}/{keys.MANIFESTS}/")])
    yield from sorted({(one.url, one.size) for one in outputs if one.kind != "archive" and one.url not in seen})
    for kept in sorted({split(one.url)[0] for one in outputs if one.kind == "archive"}):
        yield from store.list(f"s3://{kept}/archives/{name}/")


def _outputs(store: Store, manifests: Iterable[str]) -> list[Output]:
    """Return what these manifests name; nothing for one that is damaged: `pileus reconcile` says so."""

    def of(url: str) -> tuple[Output, ...]:
        try:
            manifest = read_manifest(store, url)
        except ValueError:
            return ()
        return manifest.outputs if manifest else ()

    with ThreadPoolExecutor(PARALLEL) as pool:
        return [output for outputs in pool.map(of, manifests) for output in outputs]


def collections(store: Store, bucket: str) -> list[str]:
    """Return the names of the collections that have statistics."""
    root = f"s3://{bucket}/{keys.TABLES}/collection="
    return sorted({unsafe(url.removeprefix(root).split("/")[0]) for url, _ in store.list(root)})


def read_stats(store: Store, bucket: str, collection: str) -> pa.Table:
    """Return all rows, with the columns `version`, `period`, `group` of their partition; empty without any."""
    return together(store, [(partition, url) for partition, url, _ in tables(store, bucket, collection)])


def require_stats(store: Store, bucket: str, collection: str) -> pa.Table:
    """Return the rows as `read_stats` does. Raises UsageError, with the near matches, when there are none."""
    table = read_stats(store, bucket, collection)
    if not table.num_rows:
        raise near("collection", collection, collections(store, bucket))
    return table


def _table(body: bytes) -> pa.Table:
    # In this thread alone: read_table starts Arrow's own, which takes longer than a table this small, and one that is
    # still starting when the process ends aborts it.
    return pa.parquet.ParquetFile(io.BytesIO(body), pre_buffer=False).read(use_threads=False)


def together(store: Store, found: Iterable[tuple[Partition, str]]) -> pa.Table:
    """Return the rows of these tables as one table; the columns of the partition come first."""

    def one(item: tuple[Partition, str]) -> pa.Table:
        partition, url = item
        table = load(store, url, _table)
        for name in ("group", "period", "version"):
            table = table.add_column(0, name, pa.array([getattr(partition, name)] * table.num_rows, pa.string()))
        return table

    with ThreadPoolExecutor(PARALLEL) as pool:
        parts = list(pool.map(one, found))
    return pa.concat_tables(parts, promote_options="default") if parts else pa.table({})
