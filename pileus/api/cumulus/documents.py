"""Collections, providers and rules as Cumulus's API has them. A change populates the stack, as /v1 does."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path

from pileus.api.access import allow
from pileus.api.cumulus.asked import Asked, Row, Table, asked_of
from pileus.api.cumulus.errors import RESPONSES, CumulusRoute
from pileus.api.cumulus.lists import listed
from pileus.api.reach import Reach, Reached
from pileus.api.roles import Role
from pileus.backfills.rules import find
from pileus.client.local.documents import plain
from pileus.documents import Collection, Document, Provider, Rule, parse_value
from pileus.errors import UsageError
from pileus.project.registry import place_of

router = APIRouter(tags=["cumulus"], route_class=CumulusRoute, responses=RESPONSES)
READ, _, ADMIN = ([allow(role)] for role in Role)
COLLECTIONS = Table.whole("collection", "name", frozenset(Collection.model_fields))
PROVIDERS = Table.whole("provider", "id", frozenset(Provider.model_fields))
RULES = Table.whole("rule", "name", frozenset(Rule.model_fields))
Name = Annotated[str, Path(min_length=1, max_length=200)]
Given = Annotated[dict[str, Any], Body(description="The document, as Cumulus has it.")]


@router.get("/collections", dependencies=READ, summary="List collections, as Cumulus does")
def collections(reach: Reached, asked: Annotated[Asked, asked_of(COLLECTIONS)]) -> dict[str, Any]:
    """Return `{meta, results}` of the populated collections."""
    return listed(asked, reach.services.stack.stack, COLLECTIONS, rows_of(reach, "collections"))


@router.get("/collections/active", dependencies=READ, summary="List collections that have granules")
def active(reach: Reached, asked: Annotated[Asked, asked_of(COLLECTIONS)]) -> dict[str, Any]:
    """Return `{meta, results}` of those collections of which a granule is known."""
    there = rows_of(reach, "collections")
    busy = (one for one in there if next(reach.granules.ids(one["name"], one["version"]), None))
    return listed(asked, reach.services.stack.stack, COLLECTIONS, busy)


@router.get("/collections/{name}/{version}", dependencies=READ, summary="Show a collection, as Cumulus does")
def collection(reach: Reached, name: Name, version: Name) -> dict[str, Any]:
    """Return its document."""
    return told(reach.documents.collection(name, version))


@router.post("/collections", dependencies=ADMIN, summary="Add a collection, as Cumulus does")
def add_collection(reach: Reached, given: Given) -> dict[str, Any]:
    """Add it. 409 where it is there."""
    return _saved(reach, Collection, given)


@router.put("/collections/{name}/{version}", dependencies=ADMIN, summary="Replace a collection, as Cumulus does")
def put_collection(reach: Reached, name: Name, version: Name, given: Given) -> dict[str, Any]:
    """Replace it. 404 where it is not there."""
    return _replaced(reach, Collection, f"{name}___{version}", given)


@router.delete("/collections/{name}/{version}", dependencies=ADMIN, summary="Remove a collection, as Cumulus does")
def delete_collection(reach: Reached, name: Name, version: Name) -> dict[str, str]:
    """Remove its document. What was made of it stays."""
    return _removed(reach, "collections", f"{name}___{version}")


@router.get("/providers", dependencies=READ, summary="List providers, as Cumulus does")
def providers(reach: Reached, asked: Annotated[Asked, asked_of(PROVIDERS)]) -> dict[str, Any]:
    """Return `{meta, results}` of the populated providers; stars stand for what they sign in with."""
    return listed(asked, reach.services.stack.stack, PROVIDERS, rows_of(reach, "providers"))


@router.get("/providers/{id}", dependencies=READ, summary="Show a provider, as Cumulus does")
def provider(reach: Reached, id: Name) -> dict[str, Any]:
    """Return its document; stars stand for what it signs in with."""
    return told(reach.documents.registry().provider_named(id))


@router.post("/providers", dependencies=ADMIN, summary="Add a provider, as Cumulus does")
def add_provider(reach: Reached, given: Given) -> dict[str, Any]:
    """Add it. 409 where it is there."""
    return _saved(reach, Provider, given)


@router.put("/providers/{id}", dependencies=ADMIN, summary="Replace a provider, as Cumulus does")
def put_provider(reach: Reached, id: Name, given: Given) -> dict[str, Any]:
    """Replace it. 404 where it is not there."""
    return _replaced(reach, Provider, id, given)


@router.delete("/providers/{id}", dependencies=ADMIN, summary="Remove a provider, as Cumulus does")
def delete_provider(reach: Reached, id: Name) -> dict[str, str]:
    """Remove it. 400 where a collection or a rule names it."""
    return _removed(reach, "providers", id)


@router.get("/rules", dependencies=READ, summary="List rules, as Cumulus does")
def rules(reach: Reached, asked: Annotated[Asked, asked_of(RULES)]) -> dict[str, Any]:
    """Return `{meta, results}` of the populated rules."""
    return listed(asked, reach.services.stack.stack, RULES, rows_of(reach, "rules"))


@router.get("/rules/{name}", dependencies=READ, summary="Show a rule, as Cumulus does")
def rule(reach: Reached, name: Name) -> dict[str, Any]:
    """Return its document."""
    return told(find(reach.documents.registry(), name))


@router.post("/rules", dependencies=ADMIN, summary="Add a rule, as Cumulus does")
def add_rule(reach: Reached, given: Given) -> dict[str, Any]:
    """Add it. 409 where it is there. A onetime rule that is enabled fires."""
    return _saved(reach, Rule, given)


@router.put("/rules/{name}", dependencies=ADMIN, summary="Replace a rule, as Cumulus does")
def put_rule(reach: Reached, name: Name, given: Given) -> dict[str, Any]:
    """Replace it. 404 where it is not there."""
    return _replaced(reach, Rule, name, given)


@router.patch("/rules/{name}", dependencies=ADMIN, summary="Switch a rule, or fire it, as Cumulus does")
def patch_rule(reach: Reached, name: Name, given: Given) -> dict[str, Any]:
    """Take `{state: ENABLED | DISABLED}` or `{action: rerun}`, and return the rule's document."""
    asked = {field: value for field, value in given.items() if (field, value) != ("name", name)}
    if asked == {"action": "rerun"}:
        reach.documents.fire(name)
    elif asked in ({"state": "ENABLED"}, {"state": "DISABLED"}):
        reach.documents.set_rule(name, enabled=asked["state"] == "ENABLED")
    else:
        raise UsageError("expected {state: ENABLED | DISABLED} or {action: rerun}; PUT replaces a whole rule")
    return rule(reach, name)


@router.delete("/rules/{name}", dependencies=ADMIN, summary="Remove a rule, as Cumulus does")
def delete_rule(reach: Reached, name: Name) -> dict[str, str]:
    """Remove it. What it started goes on."""
    return _removed(reach, "rules", name)


def told(one: Document) -> dict[str, Any]:
    """Return a document as Cumulus has it, with what is plain of its defaults. Stars stand for secrets, and a document
    that has them still leaves the secrets as they are.
    """
    simple = {name: getattr(one, name) for name in type(one).model_fields}
    return {name: value for name, value in simple.items() if isinstance(value, str | int | float)} | plain(one)


def rows_of(reach: Reach, kind: str) -> Iterator[Row]:
    """Yield the documents of a kind, as a Registry calls it, by key."""
    return (told(one) for _, one in sorted(getattr(reach.documents.registry(), kind).items()))


def _saved(reach: Reach, model: type[Document], given: Mapping[str, Any]) -> dict[str, Any]:
    made = parse_value(model, given, model.__name__.lower())
    reach.documents.add(made)
    return {"message": "Record saved", "record": told(made)}


def _replaced(reach: Reach, model: type[Document], key: str, given: Mapping[str, Any]) -> dict[str, Any]:
    made = parse_value(model, given, model.__name__.lower())
    if place_of(made)[1] != key:
        raise UsageError(f"the address names {key[:200]}, and the document {place_of(made)[1]}")
    reach.documents.replace(made)
    return told(made)


def _removed(reach: Reach, kind: str, key: str) -> dict[str, str]:
    reach.documents.remove(kind, key)
    return {"message": "Record deleted"}
