"""Collections, providers, rules and zones: read, check, populate."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import AfterValidator

from pileus.api.access import allow
from pileus.api.reach import Reach, Reached
from pileus.api.roles import Role
from pileus.client.answers import Populated, RuleAnswer, RuleChanged, ZonesAnswer
from pileus.client.local.documents import plain
from pileus.errors import Unknown, UsageError
from pileus.models import unsafe
from pileus.project.registry import Registry

router = APIRouter(tags=["documents"])
READ, OPERATE, ADMIN = ([allow(role)] for role in Role)
Name = Annotated[str, Path(min_length=1, max_length=200), AfterValidator(unsafe)]
Version = Annotated[str | None, Query(max_length=200, description="The highest if not given.")]
Firings = Annotated[int, Query(ge=0, le=100, description="Next times that are told.")]
Document = dict[str, Any]
EXAMPLE: dict[str, Document] = {"collections": {}, "providers": {}, "rules": {}}


@router.get("/collections", dependencies=READ, summary="List collections")
def collections(reach: Reached) -> list[Document]:
    """Return the populated collections, templates included."""
    return [one.to_json() for _, one in sorted(reach.documents.registry().collections.items())]


@router.get("/collections/{name}", dependencies=READ, summary="Show a collection")
def collection(reach: Reached, name: Name, version: Version = None) -> Document:
    """Return its document."""
    return reach.documents.collection(name, version).to_json()


@router.get("/collections/{name}/zones", dependencies=READ, summary="Show the zones of a collection")
def zones(reach: Reached, name: Name, version: Version = None) -> Document:
    """Return GeoJSON in longitude and latitude."""
    return reach.documents.zones(name, version)


@router.get("/providers", dependencies=READ, summary="List providers")
def providers(reach: Reached) -> list[Document]:
    """Return the populated providers. What they sign in with is a name of a secret, never the secret."""
    return [plain(one) for _, one in sorted(reach.documents.registry().providers.items())]


@router.get("/providers/{name}", dependencies=READ, summary="Show a provider")
def provider(reach: Reached, name: Name) -> Document:
    """Return its document."""
    there = reach.documents.registry().providers
    if name not in there:
        raise Unknown(f"there is no provider {name!r}")
    return plain(there[name])


@router.get("/rules", dependencies=READ, summary="List rules")
def rules(reach: Reached, firings: Firings = 3) -> list[RuleAnswer]:
    """Return the populated rules, each with the times at which it fires next."""
    return reach.documents.rules(firings=firings)


@router.get("/rules/{name}", dependencies=READ, summary="Show a rule")
def rule(reach: Reached, name: Name, firings: Firings = 3) -> RuleAnswer:
    """Return its document, and when it fires next."""
    return reach.documents.rule(name, firings=firings)


@router.post("/rules/{name}/enable", dependencies=ADMIN, summary="Enable a rule")
def enable(reach: Reached, name: Name) -> RuleChanged:
    """Let it fire; a onetime rule that has not fired does so now."""
    return _set(reach, name, enabled=True)


@router.post("/rules/{name}/disable", dependencies=ADMIN, summary="Disable a rule")
def disable(reach: Reached, name: Name) -> RuleChanged:
    """Stop it from firing. Backfills that it started go on."""
    return _set(reach, name, enabled=False)


@router.post("/rules/{name}/run", dependencies=OPERATE, summary="Fire a rule now")
def run(
    reach: Reached,
    name: Name,
    message: Annotated[dict[str, Any] | None, Body(description="What a rule that fires with messages gets.")] = None,
) -> dict[str, str]:
    """Fire it in any state."""
    return {"rule": name, "execution": reach.documents.fire(name, message)}


@router.get("/registry", dependencies=READ, summary="Read all documents")
def registry(reach: Reached) -> Document:
    """Return collections, providers and rules by key, as `PUT` takes them."""
    there = reach.documents.registry()
    return {
        "collections": {key: one.to_json() for key, one in there.collections.items()},
        "providers": {key: plain(one) for key, one in there.providers.items()},
        "rules": {key: plain(one) for key, one in there.rules.items()},
    }


@router.put("/registry", dependencies=ADMIN, summary="Populate")
def populate(
    reach: Reached,
    given: Annotated[dict[str, dict[str, Document]], Body(examples=[EXAMPLE])],
    check: Annotated[bool, Query(description="Only say what would change.")] = False,
) -> Populated:
    """Give the stack these documents in place of its own: all or none."""
    return reach.documents.populate(parsed_registry(given), only_check=check)


def _set(reach: Reach, name: str, *, enabled: bool) -> RuleChanged:
    started = reach.documents.set_rule(name, enabled=enabled)
    return RuleChanged(**reach.documents.rule(name).model_dump(), started=started)


def parsed_registry(given: Mapping[str, Any]) -> Registry:
    """Return the documents of a request. Raises DocumentError, and UsageError for what is no registry."""
    try:
        return Registry.from_json(json.dumps(given).encode())
    except (KeyError, TypeError, AttributeError) as exc:
        raise UsageError("expected collections, providers and rules, each by its key") from exc


@router.put("/zones/{name}", dependencies=ADMIN, summary="Keep a file of zones")
async def keep_zones(request: Request, reach: Reached, name: Name) -> ZonesAnswer:
    """Keep polygons (GeoJSON, GeoPackage, ...), sent as they are, under their content. A collection names the key."""
    body = await request.body()
    return await run_in_threadpool(reach.documents.keep_zones, name, body)
