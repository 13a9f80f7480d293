"""The library's front door: statistics from wherever they are."""

from pathlib import Path

import pyarrow as pa

from pileus import keys
from pileus.edges.store import FolderStore, S3Store, Store, split
from pileus.errors import UsageError
from pileus.outputs.read import require_stats, together


def open_stats(source: str) -> pa.Table:
    """Return all statistics of a collection as one Arrow table; `.to_pandas()` makes it a DataFrame.

    `source` is, in this order:
    1. an address such as `s3://bucket/stats/collection=NAME/` (or a part of it): credentials and endpoint come from
       the environment, as the AWS command line takes them;
    2. a folder on disk laid out like the bucket;
    3. the name of a collection of the stack that is up, or that PILEUS_STACK names.

    Columns: version, period, group, time, zone, zone_name, zone_set, band, unit, then the statistics as float64. A
    statistic is null where nothing was observed. Each field's metadata has its `unit` and `description`. Raises
    UsageError when nothing is there.

    >>> import pathlib, tempfile
    >>> from pileus.models import Partition
    >>> from pileus.outputs.tables import to_parquet
    >>> partition = Partition("lights", "001", "2015-01", "all")
    >>> rows = pa.table({"zone": ["a"], "zone_name": ["A"], "band": ["rad"], "mean": [2.0]})
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> file = folder / keys.table_key(partition)
    >>> file.parent.mkdir(parents=True)
    >>> _ = file.write_bytes(to_parquet(rows, partition, {"rad": "nW/cm2/sr"}))
    >>> open_stats(str(folder)).to_pylist()
    [{'version': '001', 'period': '2015-01', 'group': 'all', 'zone': 'a', 'zone_name': 'A', 'band': 'rad', 'mean': 2.0}]
    >>> open_stats(str(folder)).schema.field("mean").metadata[b"unit"]
    b'nW/cm2/sr'
    """
    if source.startswith("s3://"):
        from pileus.edges.aws import Aws

        table = _under(S3Store(Aws().s3), split(source)[0], source)
    elif (folder := Path(source).resolve()).is_dir():
        table = _under(FolderStore(folder.parent), folder.name, f"s3://{folder.name}/")
    else:
        from pileus.cli.session import Session

        session = Session()
        return require_stats(session.edges.store, session.stack.protected, source)
    if not table.num_rows:
        raise UsageError("no statistics there: expected tables under stats/collection=NAME/", where=source)
    return table


def _under(store: Store, bucket: str, prefix: str) -> pa.Table:
    root = f"s3://{bucket}/"
    prefix = prefix if len(prefix) > len(root) else f"{root}{keys.TABLES}/"
    urls = [url for url, _ in store.list(prefix) if url.endswith(".parquet") and f"/{keys.TABLES}/" in url]
    return together(store, [(keys.partition_of(url.removeprefix(root)), url) for url in urls])
