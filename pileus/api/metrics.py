"""What Prometheus asks for: backfills by state, and the partitions and bytes of those that run.

It needs the extra metrics. It asks for a role, since it names backfills: Prometheus sends a token as any client does.
"""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, get_args

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response

from pileus.api.access import allow
from pileus.api.reach import Reach, Reached
from pileus.api.roles import Role
from pileus.errors import Unknown
from pileus.lifecycle.backfill import Backfill
from pileus.lifecycle.backfill import State as BackfillState
from pileus.models import State
from pileus.version import __version__

if TYPE_CHECKING:
    from prometheus_client import Metric

router = APIRouter(tags=["operations"])
MISSING = "there are no metrics here: they need the extra metrics, pip install 'pileus[metrics]'"
MOST = 50
"""Running backfills that are told one by one: each is a series of its own."""


@router.get(
    "/metrics",
    dependencies=[allow(Role.read)],
    summary="Read metrics for Prometheus",
    response_class=PlainTextResponse,
)
def metrics(reach: Reached) -> Response:
    """Return the state of the stack in the text format of Prometheus."""
    try:
        from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
    except ImportError as exc:
        raise Unknown(MISSING) from exc
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(reach))
    return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


class _Collector:
    """Makes the metrics of one scrape."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    def describe(self) -> list["Metric"]:
        """Return none: they are made when they are asked for."""
        return []

    def collect(self) -> Iterator["Metric"]:
        """Yield the metrics."""
        from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily

        yield InfoMetricFamily("pileus", "Version of Pileus.", {"version": __version__})
        every = list(self._reach.backfills.all())
        counts = Counter(one.state for one in every)
        states = GaugeMetricFamily("pileus_backfills", "Backfills by state.", labels=["state"])
        for state in get_args(BackfillState):
            states.add_metric([state], counts[state])
        yield states
        yield from self._running([one for one in every if one.state == "running"][:MOST])

    def _running(self, running: list[Backfill]) -> Iterator["Metric"]:
        from prometheus_client.core import GaugeMetricFamily

        names = ["backfill", "collection"]
        partitions = GaugeMetricFamily(
            "pileus_backfill_partitions", "Partitions of running backfills by state.", labels=[*names, "state"]
        )
        done = GaugeMetricFamily("pileus_backfill_bytes", "Bytes that are downloaded, of running ones.", labels=names)
        wanted = GaugeMetricFamily("pileus_backfill_wanted_bytes", "Bytes to download, as known.", labels=names)
        for one in running:
            found = self._reach.snapshots.get(one.id).status
            counts = found.counts
            for state in State:
                partitions.add_metric([one.id, one.collection, str(state)], counts[state])
            done.add_metric([one.id, one.collection], found.bytes_done)
            wanted.add_metric([one.id, one.collection], found.bytes_wanted)
        yield from (partitions, done, wanted)
