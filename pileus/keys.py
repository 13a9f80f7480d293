"""Where the outputs of a partition are, relative to the bucket `protected`; each builder's inverse beside it."""

from hashlib import sha256

from pileus.errors import UsageError
from pileus.models import Partition, safe, unsafe
from pileus.periods import parse_period

TABLES = "stats"
MANIFESTS = "manifests"
ZONES = "zones"
ITEMS = "stac"


_STATE = {
    "announced",
    "backfills",
    "cirrus",
    "events",
    "executions",
    "granules",
    "indexes",
    "map-runs",
    "messages",
    "rules",
}
_OUTPUTS = {"clips", "csv", "manifests", "pictures", "runs", "sezu-stats", "site", "stac", "staged", "stats", "tasks"}
_FILES = {"pileus.json", "registry.json", "zones"}
FILES = ("archives", "file-staging")
"""First parts of the keys of granules' files in the bucket `internal`."""
OWN = frozenset(_STATE | _OUTPUTS | _FILES)
"""First parts of the keys of what the stack itself writes into its buckets, but for archives."""
LONGEST = 120
"""Characters of a zone in a key: S3 takes 1024 bytes for a whole key, most disks 255 for a name."""


def is_own(key: str) -> bool:
    """Return whether a key is of what the stack itself writes, and no file of a granule.

    >>> is_own("manifests/viirs/001/2015-01/all/manifest.json"), is_own("archives/viirs/001/a.tgz")
    (True, False)
    """
    return key.partition("/")[0] in OWN


def segment(zone: str) -> str:
    """Return a zone as one segment of a key, different for every zone. No inverse: a long one ends in a hash of itself.

    >>> segment("../../x"), len(segment("x" * 300)), len(segment("🌙" * 100))
    ('..%2F..%2Fx', 120, 120)
    """
    whole = safe(zone)
    if len(whole) <= LONGEST:
        return whole
    # `%~` is in nothing that `safe` writes, so no zone can be named like another's shortened form.
    ending = f"%~{sha256(zone.encode()).hexdigest()[:16]}"
    return whole[: LONGEST - len(ending)] + ending


def table_key(partition: Partition) -> str:
    """Parquet under a Hive-style path: one table over all months for DuckDB, Athena and pandas.

    >>> table_key(Partition("viirs", "001", "2015-01", "20150101"))
    'stats/collection=viirs/version=001/period=2015-01/group=20150101/stats.parquet'
    """
    return f"{TABLES}/{partition.hive}/stats.parquet"


def zones_key(collection: str, name: str) -> str:
    """Return the geometry of a zone set, which the partitions of a collection share.

    >>> zones_key("viirs", "0a1b2c3d4e5f6071")
    'zones/collection=viirs/0a1b2c3d4e5f6071.parquet'
    """
    return f"{ZONES}/collection={safe(collection)}/{safe(name)}.parquet"


def csv_key(partition: Partition) -> str:
    return f"csv/{partition.key}.csv"


def manifest_key(partition: Partition) -> str:
    return f"{MANIFESTS}/{partition.key}/manifest.json"


def partition_of(key: str) -> Partition:
    """Inverse of `table_key`, `csv_key`, `manifest_key` and `item_key`. Raises UsageError for any other key."""
    kind, _, rest = key.partition("/")
    if kind == MANIFESTS:
        return Partition.parse(rest.removesuffix("/manifest.json"))
    if kind == "csv":
        return Partition.parse(rest.removesuffix(".csv"))
    if kind == ITEMS and rest.endswith(".json"):
        return Partition.parse(rest.removesuffix(".json"))
    if kind == TABLES:
        return Partition(*(unsafe(part.partition("=")[2]) for part in rest.split("/")[:4]))
    raise UsageError(f"{key!r} is not an output of a partition")


def classic_key(partition: Partition, zone: str, tile: str, band: str = "") -> str:
    """Return the key of the CSV of the classic statistics (gippy). `band`: where several are measured.

    >>> classic_key(Partition("viirs", "001", "2015-01", "20150101"), "Coega", "00N060W")
    'sezu-stats/Coega_201501_00N060W.csv'
    >>> classic_key(Partition("viirs", "001", "2015-01", "20150101"), "Coega", "00N060W", "cf_cvg")
    'sezu-stats/Coega_201501_00N060W_cf_cvg.csv'
    """
    end = f"_{safe(band)}" if band else ""
    return f"sezu-stats/{segment(zone)}_{parse_period(partition.period).point}_{safe(tile)}{end}.csv"


def task_key(partition: Partition, task: str, name: str) -> str:
    """Return the key of what a group task has written.

    >>> task_key(Partition("viirs", "001", "2015-01", "20150101"), "inventory", "inventory.csv")
    'tasks/inventory/viirs/001/2015-01/20150101/inventory.csv'
    """
    return f"tasks/{safe(task)}/{partition.key}/{safe(name)}"


def archive_key(partition: Partition, name: str) -> str:
    """Return a kept archive; the bucket is the one that `files[].bucket` names.

    >>> archive_key(Partition("viirs", "001", "2015-01", "20150101"), "a.tgz")
    'archives/viirs/001/a.tgz'
    """
    return f"archives/{safe(partition.collection)}/{safe(partition.version)}/{segment(name)}"


def clip_key(partition: Partition, band: str, zone: str) -> str:
    return f"clips/{partition.hive}/{safe(band)}/{segment(zone)}.tif"


def picture_key(partition: Partition, band: str, zone: str) -> str:
    return f"pictures/{partition.hive}/{safe(band)}/{segment(zone)}.png"


def item_key(partition: Partition) -> str:
    """Return the STAC item."""
    return f"{ITEMS}/{partition.key}.json"
