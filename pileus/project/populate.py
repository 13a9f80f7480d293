"""Populate: the documents of a project become what the stack works with, all of them or none."""

import hashlib
from collections.abc import Collection as Items
from collections.abc import Mapping
from datetime import date

from pileus.documents import Collection, Provider
from pileus.documents.provider import MASK
from pileus.edges.store import Store, load
from pileus.errors import DamagedObject, DocumentError, NotFound
from pileus.project.folder import Project, with_zones
from pileus.project.registry import Registry, check
from pileus.zonal.zones import read_zones


def validate(project: Project, today: date, buckets: Items[str] | None = None) -> tuple[Registry, Mapping[str, bytes]]:
    """Check every document of the project, its zones included. Raises DocumentError or ZonesError for the first wrong.

    `buckets`: the keys that files may name; None: the stack knows them, which checks them when it is populated.

    The answer: the registry with each zones file named by the key that its content has in the bucket `internal`,
    and those files' bytes by key.
    """
    registry, sources = project.registry()
    check(registry, sources, set(project.workflows()), today, buckets)
    zones: dict[str, bytes] = {}
    collections = {
        key: _pinned(project, collection, sources[key], zones) for key, collection in registry.collections.items()
    }
    return Registry(collections, registry.providers, registry.rules), zones


def _pinned(project: Project, collection: Collection, source: str, zones: dict[str, bytes]) -> Collection:
    process = collection.meta.process
    found = project.zones(process, source) if process else None
    if process is None or found is None:
        return collection
    name, body = found
    read_zones(body, zone_id=process.zone_id, where=f"{source}: meta.process.zones: {process.zones}")
    key = f"zones/{hashlib.sha256(body).hexdigest()[:16]}/{name}"
    zones[key] = body
    return with_zones(collection, key)


def populate(
    store: Store, bucket: str, registry: Registry, zones: Mapping[str, bytes], tag: str | None = None
) -> tuple[Registry, list[tuple[str, str, str]]]:
    """Write what `validate` gave: zones by their content, then the registry as one object. `tag`: the entity tag that
    the registry must still have, empty where there must be none; None: whatever is there is replaced.

    The answer: the registry as written, and (kind, name, `added`, `changed`, `unchanged` or `removed`) of each
    document. When nothing changed nothing is written. A registry that is damaged counts as an empty one. Raises
    Conflict where its tag is another.
    """
    registry, changes = compare(store, bucket, registry)
    if any(change != "unchanged" for _, _, change in changes):
        for key, body in zones.items():
            store.put(f"s3://{bucket}/{key}", body)
        if tag is None:
            store.put(_url(bucket), registry.to_json(), "application/json")
        else:
            store.swap(_url(bucket), registry.to_json(), tag or None, "application/json")
    return registry, changes


def compare(store: Store, bucket: str, registry: Registry) -> tuple[Registry, list[tuple[str, str, str]]]:
    """Return what `populate` would, and write nothing."""
    try:
        before = load(store, _url(bucket), Registry.from_json)
    except (NotFound, DamagedObject):
        before = Registry()
    collections = {key: _located(collection, bucket) for key, collection in registry.collections.items()}
    providers = {key: _unmasked(provider, before.providers.get(key)) for key, provider in registry.providers.items()}
    registry = Registry(collections, providers, registry.rules)
    return registry, list(registry.difference(before))


def _unmasked(provider: Provider, before: Provider | None) -> Provider:
    """Return the provider with the secrets that the stack has, where it was given as it is shown. Raises DocumentError
    where the stack has none.
    """
    changes = {}
    for name in ("username", "password"):
        secret = getattr(provider, name)
        if secret is not None and secret.get_secret_value() == MASK:
            changes[name] = getattr(before, name, None)
            if changes[name] is None:
                told = f"{name}: stars stand for it where documents are shown: expected the {name} itself"
                raise DocumentError(told, where=f"provider {provider.id}")
    return provider.model_copy(update=changes)


def _url(bucket: str) -> str:
    return f"s3://{bucket}/registry.json"


def _located(collection: Collection, bucket: str) -> Collection:
    process = collection.meta.process
    if process is None or process.zones.startswith("s3://"):
        return collection
    return with_zones(collection, f"s3://{bucket}/{process.zones}")
