"""The client of a stack behind the HTTP API."""

from functools import cached_property
from typing import TYPE_CHECKING

from pileus.client.client import Client
from pileus.client.remote.http import Http

if TYPE_CHECKING:
    from pileus.client.remote.backfills import RemoteBackfills
    from pileus.client.remote.documents import RemoteDocuments
    from pileus.client.remote.granules import RemoteGranules
    from pileus.client.remote.graphs import RemoteGraphs
    from pileus.client.remote.operations import RemoteOperations
    from pileus.client.remote.outputs import RemoteOutputs
    from pileus.client.remote.runs import RemoteRuns


class RemoteClient(Client):
    """The client of a server. Raises UsageError for what is no address of one."""

    def __init__(self, url: str, token: str) -> None:
        self.http = Http(url, token)

    @cached_property
    def backfills(self) -> "RemoteBackfills":
        """Return the backfills."""
        from pileus.client.remote.backfills import RemoteBackfills

        return RemoteBackfills(self.http)

    @cached_property
    def documents(self) -> "RemoteDocuments":
        """Return collections, providers, rules and zones."""
        from pileus.client.remote.documents import RemoteDocuments

        return RemoteDocuments(self.http)

    @cached_property
    def outputs(self) -> "RemoteOutputs":
        """Return rows, series and objects."""
        from pileus.client.remote.outputs import RemoteOutputs

        return RemoteOutputs(self.http)

    @cached_property
    def operations(self) -> "RemoteOperations":
        """Return what keeps a stack in order."""
        from pileus.client.remote.operations import RemoteOperations

        return RemoteOperations(self.http)

    @cached_property
    def runs(self) -> "RemoteRuns":
        """Return runs of processes, and partitions as runs."""
        from pileus.client.remote.runs import RemoteRuns

        return RemoteRuns(self.http)

    @cached_property
    def granules(self) -> "RemoteGranules":
        """Return granules."""
        from pileus.client.remote.granules import RemoteGranules

        return RemoteGranules(self.http)

    @cached_property
    def graphs(self) -> "RemoteGraphs":
        """Return requests of Stratus."""
        from pileus.client.remote.graphs import RemoteGraphs

        return RemoteGraphs(self.http)
