"""The registry: every collection, provider and rule that was populated, kept as one object so that it changes whole."""

import json
from collections.abc import Collection as Items
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVar

from pileus.documents import Collection, Document, Provider, Rule, parse_value, resolve_points
from pileus.documents.rule import MESSAGES
from pileus.errors import DocumentError, Unknown, UsageError
from pileus.expand import expand
from pileus.near import unknown
from pileus.protocols import REGISTERED, protocol_of

D = TypeVar("D", bound=Document)


@dataclass(frozen=True)
class Registry:
    """Documents by name; collections by `NAME` and `VERSION` joined by three underscores, as Cumulus joins them."""

    collections: Mapping[str, Collection] = field(default_factory=dict)
    providers: Mapping[str, Provider] = field(default_factory=dict)
    rules: Mapping[str, Rule] = field(default_factory=dict)

    def collection(self, name: str, version: str | None = None) -> Collection:
        """Return the collection, the highest version where none is asked for. Raises UsageError with what there is."""
        found = [c for c in self.collections.values() if c.name == name and version in (None, c.version)]
        if not found:
            raise Unknown(_unknown("collection", name, {c.name for c in self.collections.values()}))
        return max(found, key=lambda collection: collection.version)

    def provider_of(self, collection: Collection, override: str | None = None) -> Provider:
        """Return the provider a collection names, or `override`. Raises UsageError with what there is."""
        name = override or collection.provider
        if name is None:
            raise UsageError(f"collection {collection.name} names no provider, and none was given")
        return self.provider_named(name)

    def provider_named(self, name: str) -> Provider:
        """Return a provider by its id. Raises Unknown with what there is."""
        if name not in self.providers:
            raise Unknown(_unknown("provider", name, self.providers))
        return self.providers[name]

    def backfills(self, rule: Rule) -> bool:
        """Return whether a firing of a rule is a backfill of its collection; else it starts its workflow.

        It is one where the collection is a template, or the rule gives a span or names no workflow of its own. So a
        rule of Cumulus, for a collection that has no points in time, starts its workflow once a firing, as there.
        """
        if rule.collection is None or rule.rule.type in MESSAGES:
            return False
        named = self.collections.get(f"{rule.collection.name}___{rule.collection.version}")
        spans = rule.meta.spanStart or rule.meta.spanEnd or (named is not None and named.options)
        return bool(spans) or rule.workflow in (None, "DiscoverAndProcessGranules")

    def to_json(self) -> bytes:
        value = {
            "collections": {key: item.to_json() for key, item in self.collections.items()},
            "providers": {key: item.revealed() for key, item in self.providers.items()},
            "rules": {key: _plain(item) for key, item in self.rules.items()},
        }
        return json.dumps(value, indent=1, sort_keys=True).encode()

    @classmethod
    def from_json(cls, text: bytes) -> "Registry":
        value = json.loads(text)
        return cls(
            {key: parse_value(Collection, item, key) for key, item in value["collections"].items()},
            {key: parse_value(Provider, item, key) for key, item in value["providers"].items()},
            {key: parse_value(Rule, item, key) for key, item in value["rules"].items()},
        )

    def difference(self, before: "Registry") -> Iterator[tuple[str, str, str]]:
        """Kind, name and `added`, `changed`, `unchanged` or `removed` of every document, against an older registry."""
        for kind in ("collections", "providers", "rules"):
            now, then = getattr(self, kind), getattr(before, kind)
            for name in sorted({*now, *then}):
                if name not in now:
                    change = "removed"
                elif name not in then:
                    change = "added"
                else:
                    change = "unchanged" if now[name] == then[name] else "changed"
                yield kind.removesuffix("s"), name, change


def key_of(collection: Collection) -> str:
    """As Cumulus joins name and version.

    >>> key_of(Collection(name="viirs", version="001", files=[{"regex": ".*"}]))
    'viirs___001'
    """
    return f"{collection.name}___{collection.version}"


def place_of(document: Document) -> tuple[str, str]:
    """Return which of a registry's mappings a document is in, and its key there.

    >>> place_of(Provider(id="site", protocol="https", host="example.org"))
    ('providers', 'site')
    """
    if isinstance(document, Collection):
        return "collections", key_of(document)
    if isinstance(document, Provider):
        return "providers", document.id
    assert isinstance(document, Rule)
    return "rules", document.name


def check(
    registry: Registry,
    sources: Mapping[str, str],
    workflows: Items[str],
    today: date,
    buckets: Items[str] | None = None,
) -> None:
    """Hold the documents against each other. `sources`: file of each document, by its key. `buckets`: the keys that
    files may name; None: that is checked elsewhere.

    Raises DocumentError naming file, path in the document and what was expected.
    """
    for key, collection in registry.collections.items():
        where = sources.get(key, key)
        _known(collection.provider, registry.providers, "provider", where)
        _known(collection.workflow, workflows, "workflow", where)
        if collection.provider and collection.meta.process and collection.meta.process.read == "ranges":
            _gives_parts(registry.providers[collection.provider], where)
        for number, file in enumerate(collection.files):
            if buckets is not None and file.bucket not in buckets:
                told = f"files[{number}].bucket: {unknown('bucket', file.bucket, buckets)}"
                raise DocumentError(f"{told}; the setting `buckets` names them", where=where)
        if collection.options:
            expand(collection, resolve_points(collection.options, today, where))
    for key, rule in registry.rules.items():
        where = sources.get(key, key)
        _known(rule.provider, registry.providers, "provider", where)
        _known(rule.workflow, workflows, "workflow", where)
        if rule.collection is None:
            continue
        names = {collection.name for collection in registry.collections.values()}
        _known(rule.collection.name, names, "collection.name", where)
        if f"{rule.collection.name}___{rule.collection.version}" not in registry.collections:
            raise DocumentError(
                f"collection.version: {rule.collection.name} has no version {rule.collection.version!r}", where=where
            )


def _gives_parts(provider: Provider, where: str) -> None:
    if not protocol_of(provider.protocol).gives_parts:
        able = ", ".join(name for name, protocol in REGISTERED.items() if protocol.gives_parts)
        told = f"{provider.id} speaks {provider.protocol}, which gives whole files alone"
        raise DocumentError(f"meta.process.read: {told}: expected one of {able}, or read: whole", where=where)


def _known(name: str | None, there: Items[str], path: str, where: str) -> None:
    if name is not None and name not in there:
        raise DocumentError(f"{path}: {_unknown(path.split('.')[0], name, there)}", where=where)


def _unknown(kind: str, name: str, there: Items[str]) -> str:
    return f"unknown {kind} {name[:200]!r}: expected {', '.join(sorted(there)) or 'one to be populated first'}"


def _plain(document: Document) -> dict[str, Any]:
    return document.model_dump(mode="json", exclude_defaults=True)
