"""Collections, providers and rules as Cumulus's API has them. A change populates the stack, as /v1 does."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Path

from pileus.api.access import allow
from pileus.api.cumulus.errors import RESPONSES, CumulusRoute
from pileus.api.cumulus.lists import Listing, listed
from pileus.api.reach import Reach, Reached
from pileus.api.roles import Role
from pileus.client.local.documents import plain
from pileus.documents import Collection, Document, Provider, Rule, parse_value
from pileus.errors import NotNow, Unknown, UsageError

router = APIRouter(tags=["cumulus"], route_class=CumulusRoute, responses=RESPONSES)
READ, _, ADMIN = ([allow(role)] for role in Role)
Kind = Literal["collections", "providers", "rules"]
KINDS: dict[Kind, type[Document]] = {"collections": Collection, "providers": Provider, "rules": Rule}
SECRET = ("username", "password")
"""Fields of a provider that are never told, not even masked."""
Name = Annotated[str, Path(min_length=1, max_length=200)]
Given = Annotated[dict[str, Any], Body(description="The document, as Cumulus has it.")]


@router.get("/collections", dependencies=READ, summary="List collections, as Cumulus does")
def collections(reach: Reached, asked: Listing) -> dict[str, Any]:
    """Return `{meta, results}` of the populated collections."""
    return _listed(reach, asked, "collections", "name")


@router.get("/collections/active", dependencies=READ, summary="List collections that have granules")
def active(reach: Reached, asked: Listing) -> dict[str, Any]:
    """Return `{meta, results}` of those collections of which a granule is known."""
    there = reach.documents.registry().collections
    busy = (one for one in there.values() if next(reach.granules.all(one.name, one.version), None))
    return listed(asked, reach.services.stack.stack, "collection", map(_told, busy), "name")


@router.get("/collections/{name}/{version}", dependencies=READ, summary="Show a collection, as Cumulus does")
def collection(reach: Reached, name: Name, version: Name) -> dict[str, Any]:
    """Return its document."""
    return _told(reach.documents.collection(name, version))


@router.post("/collections", dependencies=ADMIN, summary="Add a collection, as Cumulus does")
def add_collection(reach: Reached, given: Given) -> dict[str, Any]:
    """Add it. 409 where it is there."""
    return _saved(reach, "collections", given)


@router.put("/collections/{name}/{version}", dependencies=ADMIN, summary="Replace a collection, as Cumulus does")
def put_collection(reach: Reached, name: Name, version: Name, given: Given) -> dict[str, Any]:
    """Replace it. 404 where it is not there."""
    return _replaced(reach, "collections", f"{name}___{version}", given)


@router.delete("/collections/{name}/{version}", dependencies=ADMIN, summary="Remove a collection, as Cumulus does")
def delete_collection(reach: Reached, name: Name, version: Name) -> dict[str, str]:
    """Remove its document. What was made of it stays."""
    return _removed(reach, "collections", f"{name}___{version}")


@router.get("/providers", dependencies=READ, summary="List providers, as Cumulus does")
def providers(reach: Reached, asked: Listing) -> dict[str, Any]:
    """Return `{meta, results}` of the populated providers, without what they sign in with."""
    return _listed(reach, asked, "providers", "id")


@router.get("/providers/{id}", dependencies=READ, summary="Show a provider, as Cumulus does")
def provider(reach: Reached, id: Name) -> dict[str, Any]:
    """Return its document, without what it signs in with."""
    return _told(reach.documents.registry().provider_named(id))


@router.post("/providers", dependencies=ADMIN, summary="Add a provider, as Cumulus does")
def add_provider(reach: Reached, given: Given) -> dict[str, Any]:
    """Add it. 409 where it is there."""
    return _saved(reach, "providers", given)


@router.put("/providers/{id}", dependencies=ADMIN, summary="Replace a provider, as Cumulus does")
def put_provider(reach: Reached, id: Name, given: Given) -> dict[str, Any]:
    """Replace it. 404 where it is not there."""
    return _replaced(reach, "providers", id, given)


@router.delete("/providers/{id}", dependencies=ADMIN, summary="Remove a provider, as Cumulus does")
def delete_provider(reach: Reached, id: Name) -> dict[str, str]:
    """Remove it. 400 where a collection or a rule names it."""
    return _removed(reach, "providers", id)


@router.get("/rules", dependencies=READ, summary="List rules, as Cumulus does")
def rules(reach: Reached, asked: Listing) -> dict[str, Any]:
    """Return `{meta, results}` of the populated rules."""
    return _listed(reach, asked, "rules", "name")


@router.get("/rules/{name}", dependencies=READ, summary="Show a rule, as Cumulus does")
def rule(reach: Reached, name: Name) -> dict[str, Any]:
    """Return its document."""
    return reach.documents.rule(name, firings=0).document


@router.post("/rules", dependencies=ADMIN, summary="Add a rule, as Cumulus does")
def add_rule(reach: Reached, given: Given) -> dict[str, Any]:
    """Add it. 409 where it is there. A onetime rule that is enabled fires."""
    return _saved(reach, "rules", given)


@router.put("/rules/{name}", dependencies=ADMIN, summary="Replace a rule, as Cumulus does")
def put_rule(reach: Reached, name: Name, given: Given) -> dict[str, Any]:
    """Replace it. 404 where it is not there."""
    return _replaced(reach, "rules", name, given)


@router.patch("/rules/{name}", dependencies=ADMIN, summary="Switch a rule, or fire it, as Cumulus does")
def patch_rule(reach: Reached, name: Name, given: Given) -> dict[str, Any]:
    """Take `{state: ENABLED | DISABLED}` or `{action: rerun}`, and return the rule's document."""
    if given.get("action") == "rerun":
        reach.documents.fire(name)
    elif set(given) - {"name"} == {"state"} and given["state"] in ("ENABLED", "DISABLED"):
        reach.documents.set_rule(name, enabled=given["state"] == "ENABLED")
    else:
        raise UsageError("expected {state: ENABLED | DISABLED} or {action: rerun}; PUT replaces a whole rule")
    return rule(reach, name)


@router.delete("/rules/{name}", dependencies=ADMIN, summary="Remove a rule, as Cumulus does")
def delete_rule(reach: Reached, name: Name) -> dict[str, str]:
    """Remove it. What it started goes on."""
    return _removed(reach, "rules", name)


def _told(one: Document) -> dict[str, Any]:
    value = one.to_json() if isinstance(one, Collection) else plain(one)
    return {name: item for name, item in value.items() if name not in SECRET} if isinstance(one, Provider) else value


def _listed(reach: Reach, asked: Listing, kind: Kind, name: str) -> dict[str, Any]:
    there: Iterable[Document] = (one for _, one in sorted(getattr(reach.documents.registry(), kind).items()))
    return listed(asked, reach.services.stack.stack, kind.removesuffix("s"), map(_told, there), name)


def _saved(reach: Reach, kind: Kind, given: Mapping[str, Any]) -> dict[str, Any]:
    made = parse_value(KINDS[kind], given, kind.removesuffix("s"))
    if _key(made) in getattr(reach.documents.registry(), kind):
        raise NotNow(f"{_key(made)} is there already: PUT replaces it")
    return {"message": "Record saved", "record": _written(reach, kind, made)}


def _replaced(reach: Reach, kind: Kind, key: str, given: Mapping[str, Any]) -> dict[str, Any]:
    made = parse_value(KINDS[kind], given, key)
    if _key(made) != key:
        raise UsageError(f"the address names {key}, and the document {_key(made)}")
    _there(reach, kind, key)
    return _written(reach, kind, made)


def _removed(reach: Reach, kind: Kind, key: str) -> dict[str, str]:
    left = {name: one for name, one in _there(reach, kind, key).items() if name != key}
    _populate(reach, kind, left)
    return {"message": "Record deleted"}


def _written(reach: Reach, kind: Kind, made: Document) -> dict[str, Any]:
    _populate(reach, kind, {**getattr(reach.documents.registry(), kind), _key(made): made})
    return _told(made)


def _populate(reach: Reach, kind: Kind, documents: Mapping[str, Document]) -> None:
    changed: dict[str, Any] = {kind: documents}
    reach.documents.populate(replace(reach.documents.registry(), **changed))


def _there(reach: Reach, kind: Kind, key: str) -> Mapping[str, Document]:
    there: Mapping[str, Document] = getattr(reach.documents.registry(), kind)
    if key not in there:
        raise Unknown(f"there is no {key} among the {kind}")
    return there


def _key(one: Document) -> str:
    if isinstance(one, Collection):
        return f"{one.name}___{one.version}"
    return str(getattr(one, "id" if isinstance(one, Provider) else "name"))
