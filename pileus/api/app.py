"""The app: every room of the API, the page, and what surrounds them. It runs under uvicorn, and in a Lambda."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI

from pileus.api import problems
from pileus.api.access import Authority
from pileus.api.audit import Audit
from pileus.api.cirrus import router as cirrus
from pileus.api.cumulus.router import router as cumulus
from pileus.api.etags import ETags
from pileus.api.first import SignedInFirst
from pileus.api.guard import LONGEST, Guard, Lockout
from pileus.api.health import router as health
from pileus.api.metrics import router as metrics
from pileus.api.ogc.router import router as ogc
from pileus.api.page import files_of
from pileus.api.page import router as page
from pileus.api.reach import Reach
from pileus.api.rows import Rows
from pileus.api.snapshots import Snapshots
from pileus.api.stac.router import router as stac
from pileus.api.stratus.router import VALUES
from pileus.api.stratus.router import router as stratus
from pileus.api.v1.router import router as v1
from pileus.client.local.backfills import LocalBackfills
from pileus.client.local.documents import LocalDocuments
from pileus.client.local.granules import LocalGranules
from pileus.client.local.graphs import LARGEST, LocalGraphs
from pileus.client.local.items import LocalItems
from pileus.client.local.jobs import LocalJobs
from pileus.client.local.operations import LocalOperations
from pileus.client.local.outputs import LocalOutputs
from pileus.client.local.payloads import LocalPayloads
from pileus.client.local.runs import LocalRuns
from pileus.client.services import Services
from pileus.nodes.uploads import LARGEST as NODE_LARGEST
from pileus.outputs.read import read_stats
from pileus.stratus.service import Service
from pileus.version import __version__

RATE = 2000.0
"""Requests a second from one address, over a while."""


@dataclass(frozen=True)
class Settings:
    """How the app is reached."""

    hosts: Callable[[], set[str] | None] = lambda: None
    """Values that a Host header may have; None: any, as behind a gateway that has checked it."""
    longest: int = LONGEST
    """Bytes of a request's body."""
    rate: float = RATE
    lockout: Lockout = field(default_factory=Lockout)
    deployment: Callable[[], Any] = lambda: None
    """Returns the settings of the deployment on AWS that costs are told of."""
    streams: bool = True
    """Whether an answer may last; behind a gateway that gathers answers it may not."""
    secure: bool = False
    """Whether browsers reach it by https alone, so that its cookie is for https."""


def create_app(services: Services, authority: Authority, settings: Settings | None = None) -> FastAPI:
    """Return the app of a stack. `authority`: knows who has which token."""
    settings = settings or Settings()
    app = _bare("Historical backfills of satellite archives: runs, their outcome and their statistics.")
    app.state.page = files_of(services)
    app.state.reach = reach_of(services, settings.deployment)
    app.state.graphs = LocalGraphs(services)
    for router in (health, metrics, v1, ogc, stac, cumulus, cirrus, stratus, page):
        app.include_router(router)
    app.add_middleware(ETags)
    return _surrounded(app, authority, settings, LARGEST)


def create_node_app(service: Service, authority: Authority, settings: Settings | None = None) -> FastAPI:
    """Return the app of a node that runs by itself: the routes of Stratus, and that of its health."""
    app = _bare("A node of Stratus: operations over data sets.")
    app.state.graphs = service
    for router in (health, stratus):
        app.include_router(router)
    return _surrounded(app, authority, settings or Settings(), NODE_LARGEST)


def _bare(summary: str) -> FastAPI:
    return FastAPI(
        title="Pileus",
        version=__version__,
        summary=summary,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api",
        responses=problems.RESPONSES,
    )


def _surrounded(app: FastAPI, authority: Authority, settings: Settings, upload: int) -> FastAPI:
    """Return the app with what surrounds its routes. `upload`: most bytes of an uploaded file."""
    app.state.authority, app.state.lockout, app.state.settings = authority, settings.lockout, settings
    problems.install(app)
    app.add_middleware(SignedInFirst)
    app.add_middleware(
        Guard, hosts=settings.hosts, longest=settings.longest, rate=settings.rate, longer={VALUES: upload}
    )
    app.add_middleware(Audit)
    return app


def reach_of(services: Services, deployment: Callable[[], Any]) -> Reach:
    """Return the local clients of a stack. Statuses and rows are shared by all who ask."""
    backfills = LocalBackfills(services, deployment)
    snapshots = Snapshots(backfills.status)
    rows = Rows(lambda name: read_stats(services.edges.store, services.stack.protected, name))
    return Reach(
        services,
        snapshots,
        backfills,
        LocalDocuments(services),
        LocalOperations(services, deployment),
        LocalOutputs(services, rows.get),
        LocalRuns(services),
        LocalGranules(services),
        LocalItems(services),
        LocalJobs(services),
        LocalPayloads(services),
    )
