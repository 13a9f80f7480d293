"""Partitions, periods and addresses, as the invariants name them."""

from pileus import keys
from pileus.models import Partition, unsafe
from spec.simulation.site import Place

INTERNAL, PROTECTED = "s3://internal/", "s3://protected/"


def number(run: str) -> int:
    """Of a run, within its backfill."""
    return int(run.rpartition("/")[2])


def difference(seen: dict[str, str], wanted: dict[str, str]) -> str:
    """Names of the objects that are not as wanted."""
    names = [url for url in sorted({*seen, *wanted}) if seen.get(url) != wanted.get(url)]
    return ", ".join(url.removeprefix(PROTECTED) for url in names)


def key_of(place: Place) -> str:
    """Key of the partition of a period and group."""
    return Partition("viirs", "001", *place).key


_PARTITIONS: dict[str, str | None] = {}


def partition_of(url: str) -> str | None:
    """Key of the partition whose output is at an address; None for anything else."""
    if url not in _PARTITIONS:
        _PARTITIONS[url] = _parsed(url.removeprefix(PROTECTED))
    return _PARTITIONS[url]


def _parsed(key: str) -> str | None:
    kind, _, rest = key.partition("/")
    if kind in (keys.MANIFESTS, keys.TABLES, "csv"):
        return None if kind == keys.MANIFESTS else keys.partition_of(key).key
    if kind == "clips":
        return Partition(*(unsafe(part.partition("=")[2]) for part in rest.split("/")[:4])).key
    return None


def months(first: str, last: str) -> list[str]:
    """Periods from `first` to `last`, both included."""
    year, month = map(int, first.split("-"))
    found = []
    while f"{year}-{month:02}" <= last:
        found.append(f"{year}-{month:02}")
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    return found
