"""inventory: a payload for each file of a listing.

A listing is one of these, told apart by the end of its address, which is in S3 or of a local file:

1. `/`: a folder, with all that is below it.
2. `.parquet`, `.csv`, `.csv.gz`: a table, whose columns are named; a CSV names them in its first line.
3. `manifest.json`: an inventory as S3 writes it, in CSV or Parquet.
"""

import csv
import gzip
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

from pileus.edges.store import Store, parsed, split
from pileus.errors import DocumentError, UsageError
from pileus.patterns import SearchPattern

Row = Mapping[str, Any]
ADDRESSES = ("href", "url", "key", "Key")
"""Columns that an address is looked for in, in this order."""


def inventory(
    store: Store,
    source: str,
    process: list[Any],
    collection: str | None = None,
    match: str | None = None,
    asset: str = "data",
    href: str | None = None,
    bucket: str | None = None,
    limit: int | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield a payload of one item for each file of a listing: a folder, a table, or an inventory of S3.

    `source`: address of the listing; `process`: the payload's list of processes; `collection`: that of the items;
    `match`: a regular expression that is looked for in the file's address, of which the first group (without one all
    that matches) is the item's id, and files without it are left out; `asset`: name of the item's asset; `href`: the
    column with the address, without it `href`, `url` or `key`; `bucket`: that of addresses that are keys alone.
    """
    pattern = SearchPattern(match) if match else None
    count = 0
    for row in _rows(store, source):
        address = _address(row, href, bucket)
        id = pattern.first(address) if pattern else address.rpartition("/")[2].partition(".")[0]
        if not id or address.endswith("/"):
            continue
        if limit is not None and count >= limit:
            return
        count += 1
        yield {
            "type": "FeatureCollection",
            "features": [_item(id, address, row, collection, asset)],
            "process": process,
        }


def _item(id: str, address: str, row: Row, collection: str | None, asset: str) -> dict[str, Any]:
    properties: dict[str, Any] = {"datetime": _text(row.get("datetime"))}
    size = row.get("size", row.get("Size"))
    told = {"file:size": int(size)} if str(size or "").isdecimal() else {}
    item: dict[str, Any] = {"type": "Feature", "stac_version": "1.0.0", "id": id, "geometry": None}
    item |= {"properties": properties, "links": [], "assets": {asset: {"href": address} | told}}
    return item | ({"collection": collection} if collection else {})


def _text(value: Any) -> str | None:
    if value is None or value == "":
        return None
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _address(row: Row, column: str | None, bucket: str | None) -> str:
    """Return the address of a row's file. Raises DocumentError where it has none."""
    names = [column] if column else [one for one in ADDRESSES if row.get(one)]
    found = str(row.get(names[0]) or "") if names else ""
    if not found:
        expected = column or ", ".join(ADDRESSES)
        raise DocumentError(f"a row has no {expected}: its columns are {', '.join(map(str, row))[:200]}")
    if "://" in found or found.startswith("/"):
        return found
    bucket = bucket or row.get("bucket") or row.get("Bucket")
    if not bucket:
        raise DocumentError(f"{found[:100]!r} is a key: give its bucket as --param bucket=NAME")
    return f"s3://{bucket}/{found}"


def _rows(store: Store, source: str) -> Iterator[Row]:
    name = source.lower()
    if name.endswith("/"):
        return _folder(store, source)
    if name.rpartition("/")[2] == "manifest.json":
        return _manifest(store, source)
    if name.endswith(".parquet"):
        return _parquet(source, _bytes(store, source))
    if name.endswith((".csv", ".csv.gz")):
        return _csv(source, _bytes(store, source))
    raise UsageError("expected a folder that ends with /, or .parquet, .csv, .csv.gz, or manifest.json", where=source)


def _bytes(store: Store, source: str) -> bytes:
    if source.startswith("s3://"):
        return store.get(source)
    if "://" in source:
        raise UsageError("expected an address in S3 or a local file", where=source[:200])
    return Path(source).read_bytes()


def _folder(store: Store, source: str) -> Iterator[Row]:
    if source.startswith("s3://"):
        for url, size in store.list(source):
            yield {"href": url, "size": size}
        return
    root = Path(source)
    if "://" in source or not root.is_dir():
        raise UsageError("is no folder", where=source[:200])
    for path in sorted(root.rglob("*")):
        if path.is_file():
            yield {"href": str(path.resolve()), "size": path.stat().st_size}


def _parquet(source: str, body: bytes) -> Iterator[Row]:
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        for batch in ParquetFile(io.BytesIO(body), pre_buffer=False).iter_batches():
            yield from batch.to_pylist()
    except (ArrowException, OSError) as exc:
        raise DocumentError(f"cannot be read as Parquet: {str(exc)[:200]}", where=source) from exc


def _csv(source: str, body: bytes, columns: list[str] | None = None) -> Iterator[Row]:
    """Yield the rows of a CSV. `columns`: their names, where the file does not have them; its keys are escaped then."""
    try:
        text = (gzip.decompress(body) if source.endswith(".gz") else body).decode("utf-8-sig")
        rows = csv.DictReader(io.StringIO(text), columns)
        for row in rows:
            yield row | {"key": unquote_plus(row["key"])} if columns else row
    except (OSError, EOFError, UnicodeDecodeError, csv.Error, KeyError) as exc:
        raise DocumentError(f"cannot be read as CSV: {str(exc)[:200]}", where=source) from exc


def _manifest(store: Store, source: str) -> Iterator[Row]:
    """Yield the rows of an inventory of S3: its files lie in the bucket of the manifest."""
    told = parsed(source, _bytes(store, source), lambda body: dict(json.loads(body)))
    where = source.rpartition("/")[0]
    if source.startswith("s3://"):
        where = f"s3://{split(source)[0]}"
    columns = [one.strip().lower() for one in str(told.get("fileSchema", "")).split(",")]
    kind = str(told.get("fileFormat", "")).lower()
    if kind not in ("csv", "parquet"):
        raise DocumentError(f"fileFormat: expected CSV or Parquet, not {kind[:20]!r}", where=source)
    for file in told.get("files", ()):
        url = f"{where}/{file['key']}"
        rows = _csv(url, _bytes(store, url), columns) if kind == "csv" else _parquet(url, _bytes(store, url))
        yield from rows
