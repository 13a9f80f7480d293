"""What a route reaches: the local clients of the app's stack."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from pileus.api.snapshots import Snapshots
from pileus.client.local.backfills import LocalBackfills
from pileus.client.local.documents import LocalDocuments
from pileus.client.local.granules import LocalGranules
from pileus.client.local.items import LocalItems
from pileus.client.local.jobs import LocalJobs
from pileus.client.local.operations import LocalOperations
from pileus.client.local.outputs import LocalOutputs
from pileus.client.local.payloads import LocalPayloads
from pileus.client.local.runs import LocalRuns
from pileus.client.services import Services


@dataclass(frozen=True)
class Reach:
    """The local clients of one stack."""

    services: Services
    snapshots: Snapshots
    backfills: LocalBackfills
    documents: LocalDocuments
    operations: LocalOperations
    outputs: LocalOutputs
    runs: LocalRuns
    granules: LocalGranules
    items: LocalItems
    jobs: LocalJobs
    payloads: LocalPayloads


def _of(request: Request) -> Reach:
    found: Reach = request.app.state.reach
    return found


Reached = Annotated[Reach, Depends(_of)]
