"""Metrics as lines of a log: CloudWatch's embedded metric format, which needs no client and no rights."""

import json
from collections.abc import Mapping, Sequence

HOPS = ("download", "compile", "measure")
"""Hops of a group, named as in its manifest. `compile` makes the index of zones, once for each grid."""
UNITS = {
    "BytesDownloaded": "Bytes",
    "Seconds": "Seconds",
    "PartitionsSucceeded": "Count",
    "PartitionsFailed": "Count",
    "ScratchFreeShare": "None",
}


def line(namespace: str, dimensions: Mapping[str, str], values: Mapping[str, float], *, now: float) -> str:
    """Return one JSON line that CloudWatch Logs turns into metrics. `now`: Unix time.

    >>> made = json.loads(line("Pileus", {"Stack": "pileus"}, {"PartitionsFailed": 1}, now=1.5))
    >>> made["_aws"]["Timestamp"], made["Stack"], made["PartitionsFailed"]
    (1500, 'pileus', 1)
    """
    names = [{"Name": name, "Unit": UNITS[name]} for name in values]
    described = {"Namespace": namespace, "Dimensions": [list(dimensions)], "Metrics": names}
    head = {"_aws": {"Timestamp": round(now * 1000), "CloudWatchMetrics": [described]}}
    return json.dumps({**head, **dimensions, **values})


def of_group(
    namespace: str,
    stack: str,
    *,
    succeeded: bool,
    downloaded: int,
    hops: Mapping[str, float],
    free_share: float,
    now: float,
) -> Sequence[str]:
    """Return the log lines for one group that ended.

    `hops`: seconds by hop. `free_share`: free share of the scratch volume, 0 to 1.
    """
    counts = {
        "PartitionsSucceeded": int(succeeded),
        "PartitionsFailed": int(not succeeded),
        "BytesDownloaded": downloaded,
        "ScratchFreeShare": round(free_share, 4),
    }
    whole = line(namespace, {"Stack": stack}, counts, now=now)
    return [whole, *(line(namespace, {"Stack": stack, "Hop": hop}, {"Seconds": s}, now=now) for hop, s in hops.items())]
