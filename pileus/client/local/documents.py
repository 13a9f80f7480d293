"""Collections, providers, rules and zones of a stack: read, check, populate.

What reads polygons is imported where they are read: GDAL is heavy, and a server should start at once.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from pileus.backfills import rules
from pileus.backfills.control import read_registry
from pileus.backfills.message_rules import source_of
from pileus.client.answers import ChangeAnswer, Populated, RuleAnswer, ZonesAnswer
from pileus.client.services import Services
from pileus.documents import Collection, Document, Rule
from pileus.documents.rule import MESSAGES
from pileus.edges.store import load, parsed
from pileus.errors import DocumentError, NotFound, NotNow, Unknown
from pileus.names import FileName
from pileus.project.registry import Registry, check, place_of


@dataclass(frozen=True)
class LocalDocuments:
    """Documents of the stack that these services reach."""

    services: Services

    def registry(self) -> Registry:
        """Return all that is populated; empty where nothing is."""
        edges = self.services.edges
        try:
            return load(edges.store, edges.internal("registry.json"), Registry.from_json)
        except NotFound:
            return Registry()

    def populate(
        self, registry: Registry, zones: Mapping[str, bytes] | None = None, *, only_check: bool = False
    ) -> Populated:
        """Give the stack these documents in place of its own: all or none. Raises DocumentError for the first wrong.

        `zones`: files by the key that collections name them by; others are in the stack, or addresses.
        """
        return self._populate(registry, zones or {}, None, only_check=only_check)

    def add(self, document: Document) -> None:
        """Populate one more document. Raises NotNow where there is one of its key, Conflict where somebody else
        populates at the same time, and DocumentError.
        """
        before, tag = self._tagged()
        kind, key = place_of(document)
        if key in getattr(before, kind):
            raise NotNow(f"there is a {kind.removesuffix('s')} {key} already")
        self._populate(_with(before, kind, {**getattr(before, kind), key: document}), {}, tag)

    def replace(self, document: Document) -> None:
        """Populate a document in place of the one of its key. Raises Unknown where there is none, Conflict where
        somebody else populates at the same time, and DocumentError.
        """
        before, tag = self._tagged()
        kind, key = place_of(document)
        self._populate(_with(before, kind, {**_there(before, kind, key), key: document}), {}, tag)

    def remove(self, kind: str, key: str) -> None:
        """Take a document away; `kind` and `key`: as a Registry has them. Raises Unknown where there is none, Conflict
        where somebody else populates at the same time, and DocumentError where another names it.
        """
        before, tag = self._tagged()
        left = {name: one for name, one in _there(before, kind, key).items() if name != key}
        self._populate(_with(before, kind, left), {}, tag)

    def _tagged(self) -> tuple[Registry, str]:
        """Return all that is populated, and the entity tag of its object; empty where there is none."""
        edges = self.services.edges
        url = edges.internal("registry.json")
        try:
            body, tag = edges.store.tagged(url)
        except NotFound:
            return Registry(), ""
        return parsed(url, body, Registry.from_json), tag

    def _populate(
        self, registry: Registry, zones: Mapping[str, bytes], tag: str | None, *, only_check: bool = False
    ) -> Populated:
        from pileus.project.populate import compare, populate

        edges, today = self.services.edges, datetime.fromtimestamp(self.services.edges.now(), UTC).date()
        check(registry, {}, self._workflows(registry), today, self.services.stack.bucket_map)
        for collection in registry.collections.values():
            self._zones_are_there(collection, zones)
        if only_check:
            _, changes = compare(edges.store, edges.stack.internal, registry)
            return Populated(changes=_told(changes), started=[])
        written, changes = populate(edges.store, edges.stack.internal, registry, zones, tag)
        fired = rules.apply(edges, self.services.workflows, self.services.schedules, self.services.sources, written)
        return Populated(changes=_told(changes), started=[name for name, what in fired if what == "started"])

    def keep_zones(self, name: str, body: bytes) -> ZonesAnswer:
        """Keep a file of zones under its content, for collections to name. Raises ZonesError for what is none."""
        from pileus.zonal.zones import read_zones

        file = FileName(name)
        found = read_zones(body, zone_id=None, where=file)
        key = f"zones/{hashlib.sha256(body).hexdigest()[:16]}/{file}"
        self.services.edges.store.put(self.services.edges.internal(key), body)
        return ZonesAnswer(name=file, key=key, zones=len(found.ids))

    def zones(self, collection: str, version: str | None = None) -> dict[str, Any]:
        """Return the zones of a collection as GeoJSON in longitude and latitude. Raises Unknown."""
        from pileus.outputs.shapes import geojson
        from pileus.zonal.zones import read_zones

        process = self.collection(collection, version).meta.process
        if process is None:
            raise Unknown(f"collection {collection} has no zones: it has no meta.process")
        found = read_zones(self.services.edges.store.get(process.zones), zone_id=process.zone_id, where=process.zones)
        shapes, names = geojson(found), dict(zip(found.ids, found.names, strict=True))
        features = [
            {"type": "Feature", "id": zone, "properties": {"name": names[zone]}, "geometry": shape}
            for zone, shape in shapes.items()
        ]
        return {"type": "FeatureCollection", "features": features}

    def collection(self, name: str, version: str | None = None) -> Collection:
        """Return a populated collection, the highest version if none is named. Raises Unknown."""
        return read_registry(self.services.edges.store, self.services.stack).collection(name, version)

    def rule(self, name: str, *, firings: int = 3) -> RuleAnswer:
        """Return a rule with the times at which it fires next. Raises Unknown."""
        return self._rule(rules.find(self.registry(), name), firings)

    def rules(self, *, firings: int = 3) -> list[RuleAnswer]:
        """Return all rules, by name."""
        return [self._rule(rule, firings) for _, rule in sorted(self.registry().rules.items())]

    def set_rule(self, name: str, *, enabled: bool) -> list[str]:
        """Let a rule fire, or stop it; return the onetime rules that began, as one does that has not fired. Raises
        Unknown.
        """
        services = self.services
        done = rules.switch(
            services.edges, services.workflows, services.schedules, services.sources, name, enabled=enabled
        )
        return [rule for rule, what in done if what == "started"]

    def fire(self, name: str, message: Mapping[str, Any] | None = None) -> str:
        """Fire a rule now, in any state. Return the ARN of the execution. Raises Unknown, and UsageError for a rule
        that fires with messages and is given none, or that backfills and is given one.
        """
        from pileus.runs.from_message import start_by_hand

        edges, workflows, registry = self.services.edges, self.services.workflows, self.registry()
        rule = rules.find(registry, name)
        if message is None and registry.backfills(rule):
            return rules.run(edges, workflows, registry, rule)
        return start_by_hand(edges, workflows, registry, rule, message)

    def _workflows(self, registry: Registry) -> set[str]:
        """Return those of the workflows that these documents name that the stack has."""
        named = {one.workflow for one in registry.collections.values()}
        named |= {one.workflow for one in registry.rules.values() if one.workflow}
        return {name for name in named if self.services.workflows.exists(name)}

    def _rule(self, rule: Rule, firings: int) -> RuleAnswer:
        now = datetime.fromtimestamp(self.services.edges.now(), UTC)
        times = islice(rules.firings(rule, self.services.schedules, now), firings)
        source, state = self._source(rule)
        return RuleAnswer(
            name=rule.name,
            state=rule.state,
            document=plain(rule),
            next=[one.isoformat() for one in times],
            source=source,
            source_state=state,
        )

    def _source(self, rule: Rule) -> tuple[str | None, str | None]:
        """Return the ARN and the state of what the rule's messages come from; None where it fires with none."""
        if rule.rule.type not in MESSAGES:
            return None, None
        arn = source_of(self.services.edges, rule)
        there = self.services.sources.all().get(arn)
        return arn, "missing" if there is None else "enabled" if there.enabled else "disabled"

    def _zones_are_there(self, collection: Collection, given: Mapping[str, bytes]) -> None:
        process = collection.meta.process
        if process is None or "://" in process.zones or process.zones in given:
            return
        if next(iter(self.services.edges.store.list(self.services.edges.internal(process.zones))), None) is None:
            where = f"{collection.name}: meta.process.zones"
            raise DocumentError(f"{process.zones} is not in the stack: PUT /v1/zones/NAME keeps it", where=where)


def plain(document: Document) -> dict[str, Any]:
    """Return a document as JSON, without what is default."""
    return document.model_dump(mode="json", exclude_defaults=True)


def _with(registry: Registry, kind: str, documents: Mapping[str, Document]) -> Registry:
    changed: dict[str, Any] = {kind: documents}
    return replace(registry, **changed)


def _there(registry: Registry, kind: str, key: str) -> Mapping[str, Document]:
    """Return the documents of a kind. Raises Unknown where none has this key."""
    found: Mapping[str, Document] = getattr(registry, kind)
    if key not in found:
        raise Unknown(f"there is no {kind.removesuffix('s')} {key[:200]!r}")
    return found


def _told(changes: list[tuple[str, str, str]]) -> list[ChangeAnswer]:
    return [ChangeAnswer(kind=kind, name=name, change=change) for kind, name, change in changes]
