"""The client of a stack that this process reaches itself."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from pileus.client.client import Client
from pileus.client.services import Services

if TYPE_CHECKING:
    from pileus.client.local.backfills import LocalBackfills
    from pileus.client.local.documents import LocalDocuments
    from pileus.client.local.granules import LocalGranules
    from pileus.client.local.graphs import LocalGraphs
    from pileus.client.local.operations import LocalOperations
    from pileus.client.local.outputs import LocalOutputs
    from pileus.client.local.runs import LocalRuns


@dataclass(frozen=True)
class LocalClient(Client):
    """The client of the stack that these services reach."""

    services: Services
    deployment: Callable[[], Any]
    """Returns the settings of the deployment on AWS that costs are told of."""
    by: str = ""
    """Who asks: a backfill that begins says so."""

    @cached_property
    def backfills(self) -> "LocalBackfills":
        """Return the backfills."""
        from pileus.client.local.backfills import LocalBackfills

        return LocalBackfills(self.services, self.deployment, self.by)

    @cached_property
    def documents(self) -> "LocalDocuments":
        """Return collections, providers, rules and zones."""
        from pileus.client.local.documents import LocalDocuments

        return LocalDocuments(self.services)

    @cached_property
    def outputs(self) -> "LocalOutputs":
        """Return rows, series and objects."""
        from pileus.client.local.outputs import LocalOutputs
        from pileus.outputs.read import read_stats

        services = self.services
        rows = cache(lambda name: read_stats(services.edges.store, services.stack.protected, name))
        return LocalOutputs(services, rows)  # one command reads them once

    @cached_property
    def operations(self) -> "LocalOperations":
        """Return what keeps a stack in order."""
        from pileus.client.local.operations import LocalOperations

        return LocalOperations(self.services, self.deployment, self.by)

    @cached_property
    def runs(self) -> "LocalRuns":
        """Return runs of processes, and partitions as runs."""
        from pileus.client.local.runs import LocalRuns

        return LocalRuns(self.services, self.by)

    @cached_property
    def granules(self) -> "LocalGranules":
        """Return granules."""
        from pileus.client.local.granules import LocalGranules

        return LocalGranules(self.services)

    @cached_property
    def graphs(self) -> "LocalGraphs":
        """Return requests of Stratus."""
        from pileus.client.local.graphs import LocalGraphs

        return LocalGraphs(self.services, self.by)
