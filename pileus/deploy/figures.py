"""The figures that estimates are made from: the table of prices, and what groups of a collection took before.

`pileus cost`, `pileus plan` and `pileus backfill --max-dollars` all begin here, so that they agree.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from statistics import median
from typing import Any

from pileus import keys
from pileus.deploy.cost import Work, group_price
from pileus.errors import UsageError
from pileus.lifecycle.spending import Spending
from pileus.models import Manifest, safe
from pileus.outputs.commit import read_manifest
from pileus.product import product_folder
from pileus.wiring import Edges

TILES = 6
GROUP_BYTES = TILES * 470e6
"""Six VIIRS tiles of the mean listed size, where nothing was measured."""
BYTES_PER_SECOND = 30e6
"""The speed where nothing was measured: six connections of 5 MB a second."""
SECONDS_PER_BYTE = 2.7 / 628e6
"""Time of measuring, on two processors, measured with whole tiles, which are measured while they arrive."""
WRITING = 1.0
"""Least seconds of a group after its last byte, where nothing was measured."""
OUTPUT_BYTES = 200e3
CONNECTIONS = 10
"""The limit where the provider's document sets none."""
LATEST = 20
"""Manifests that are measured from."""


def read_prices() -> dict[str, Any]:
    """Return the table of prices that the product carries. It asks AWS nothing."""
    prices: dict[str, Any] = json.loads((product_folder() / "data/prices.json").read_text())
    return prices


def latest_manifests(edges: Edges, collection: str) -> list[Manifest]:
    """Return the manifests of the latest groups of a collection that can be read. Raises StoreError."""
    found = []
    urls = [url for url, _ in edges.store.list(edges.protected(f"{keys.MANIFESTS}/{safe(collection)}/"))]
    for url in urls[-LATEST:]:
        with suppress(ValueError):  # damaged: `pileus reconcile` says so
            found.append(read_manifest(edges.store, url))
    return [manifest for manifest in found if manifest is not None]


def work_of(
    manifests: Sequence[Manifest],
    *,
    points: int,
    groups: int,
    connections: int | None,
    group_bytes: float | None = None,
    speed: float | None = None,
) -> Work:
    """Return the work of a backfill, from groups that were done. `group_bytes`, `speed`: known otherwise."""
    done = [one for one in manifests if one.bytes_downloaded and one.seconds.get("download")]
    size = group_bytes or (median(one.bytes_downloaded for one in done) if done else GROUP_BYTES)
    rest = [sum(one.seconds.values()) - one.seconds["download"] for one in done]
    written = [sum(output.size for output in one.outputs) for one in done]
    speeds = [one.bytes_downloaded / one.seconds["download"] for one in done]
    fast = speed or (median(speeds) if done else BYTES_PER_SECOND)
    guess = max(WRITING, size * SECONDS_PER_BYTE - size / fast)
    return Work(
        points=points,
        groups=groups,
        group_bytes=size,
        bytes_per_second=fast,
        seconds=median(rest) if done else guess,
        output_bytes=median(written) if done else OUTPUT_BYTES,
        connections=connections or CONNECTIONS,
    )


def spending(most: float, work: Work, settings: Any, prices: Mapping[str, Any]) -> Spending:
    """Return the limit `--max-dollars` of a backfill, with its prices. `settings`: the project's own.

    Raises UsageError for a limit that is no number above 0.
    """
    if not 0 < most < float("inf"):
        raise UsageError(f"--max-dollars: expected a number above 0, not {most:g}")
    price = group_price(work, settings, prices)
    busy = work.group_bytes / work.bytes_per_second + work.seconds
    return Spending(most, price.second, price.requests, guess=price.requests + busy * price.second)
