"""Commit: what a claim made becomes visible whole, or not at all.

The manifest is the only point of commit, and is written by compare-and-swap on its entity tag:

1. `fence`: the claim writes its token into the manifest as `next`. From then on no older claim can commit. What an
   older claim has committed and not yet published is published first. A partition that was never done gets a
   manifest with nothing but `next`, which every reader takes for none.
2. `stage`: outputs are written as objects of the claim's own below `staged/`, where no reader looks.
3. `commit`: the manifest is swapped on the fence's tag. When somebody else has fenced meanwhile nothing changes.
4. `publish`: each staged object is copied to its well-known key, outputs that the manifest before had and this one
   has not are deleted, then the staged ones are, at once or soon.

A publisher that wakes up late changes nothing: its sources are gone, since whoever claims next publishes for it
and deletes them before it can commit anything newer.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from pileus import keys
from pileus.edges.parallel_put import Batch
from pileus.edges.store import Store
from pileus.errors import Conflict, NotFound, StoreError, Unpublished
from pileus.models import Manifest, Output, Partition

STAGED = "staged"
TRIES = 20
"""Times that a fence is tried while others write the same manifest."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a partition's objects are. `internal`, `protected`: buckets."""

    store: Store
    internal: str
    protected: str
    partition: Partition

    @property
    def manifest(self) -> str:
        return f"s3://{self.protected}/{keys.manifest_key(self.partition)}"

    def staged(self, claim: str) -> str:
        """Beginning of the address of every object that a claim has staged."""
        collection, version, period, group = self.partition.key.split("/")
        return f"s3://{self.internal}/{STAGED}/{collection}/{version}/{period}~{group}~{claim}~"


def claims(store: Store, internal: str) -> list[tuple[Partition, str]]:
    """Partition and claim of everything that is staged in the bucket `internal`; the inverse of `Place.staged`."""
    head = f"s3://{internal}/{STAGED}/"
    found = set()
    for url, _ in store.list(head):
        collection, version, rest = url.removeprefix(head).split("/")
        (period, _, names) = rest.partition("~")
        group, claim, _ = names.rsplit("~", 2)
        found.add((Partition.parse(f"{collection}/{version}/{period}/{group}"), claim))
    return sorted(found)


@dataclass(frozen=True, slots=True)
class Fence:
    """The right of one claim to commit its partition, until a later claim takes it."""

    place: Place
    claim: str
    tag: str
    """Of the manifest as the fence left it."""
    before: Manifest | None
    """What was committed last, and is published."""

    def stage(self, url: str) -> str:
        """Return where an output that will be at `url` is staged."""
        return self.place.staged(self.claim) + _name(url)

    def commit(self, manifest: Manifest) -> Manifest:
        """Make `manifest` the partition's; what was committed. Raises Conflict when a later claim has fenced.

        Nothing has changed then.
        """
        have = {output.url for output in manifest.outputs}
        before = self.before.outputs if self.before else ()
        gone = tuple(output.url for output in before if output.url not in have and output.kind != "archive")
        committed = replace(manifest, claim=self.claim, replaces=gone)
        body = _bytes(committed.to_json())
        self.place.store.swap(self.place.manifest, body, self.tag, "application/json")
        return committed

    def publish(self, manifest: Manifest, staged: Iterable[str], delete: Callable[..., None] | None = None) -> None:
        """Copy staged objects to their well-known keys, delete what they replace, and delete them.

        `delete` may delete the staged ones later; None: at once.

        What is gone was published by another. Raises Unpublished when the store fails: whoever claims next goes on.
        """
        try:
            _publish(self.place, manifest, list(staged), delete or self.place.store.delete)
        except StoreError as exc:
            raise Unpublished(f"committed, and not published yet: {exc.message}", where=exc.where) from exc


def fence(place: Place, claim: str, *, fresh: bool = False) -> Fence:
    """Take the right to commit from every older claim. `fresh`: there is probably no manifest yet.

    Raises StoreError when the manifest is written by others again and again.
    """
    for attempt in range(TRIES):
        value, tag = ({"partition": place.partition.key}, None) if fresh and not attempt else _read(place)
        try:
            body = _bytes({**value, "next": claim})
            held = place.store.swap(place.manifest, body, tag, "application/json")
        except Conflict:
            continue
        before = manifest_of(value)
        if before is not None:
            roll_forward(place, before)
        return Fence(place, claim, held, before)
    raise StoreError(f"changed {TRIES} times while it was fenced", where=place.manifest)


def roll_forward(place: Place, manifest: Manifest) -> int:
    """Publish what was committed and is still staged; return the number of objects."""
    left = [url for url, _ in place.store.list(place.staged(manifest.claim))] if manifest.claim else []
    _publish(place, manifest, left, place.store.delete)
    return len(left)


def clean(place: Place, claim: str) -> None:
    """Deal with what a claim has staged: publish it if it is committed, delete it if a later claim has fenced."""
    value, _ = _read(place)
    manifest = manifest_of(value)
    if manifest is not None and manifest.claim == claim:
        roll_forward(place, manifest)
    elif value.get("next") != claim:
        place.store.delete(*(url for url, _ in place.store.list(place.staged(claim))))


def settled(place: Place, token: str) -> Manifest | None:
    """Return the manifest after fencing a claim that would replace it. None where nothing was committed.

    For whoever rebuilds the index, which must not miss a commit that comes a moment later.
    """
    value, _ = _read(place)
    manifest = manifest_of(value)
    return fence(place, token).before if manifest is not None and "next" in value else manifest


def read_manifest(store: Store, url: str) -> Manifest | None:
    """Return the manifest at `url`; None where nothing was ever committed. Raises ValueError when it is damaged."""
    try:
        value = json.loads(store.get(url))
    except NotFound:
        return None
    return manifest_of(value)


def manifest_of(value: Any) -> Manifest | None:
    """Return the manifest in a manifest object; None where it is a fence alone.

    Raises ValueError when it is damaged.
    """
    if not isinstance(value, Mapping):
        raise ValueError(f"not a manifest but a {type(value).__name__}")
    if set(value) <= {"partition", "next"}:
        return None
    try:
        return Manifest.from_json({name: item for name, item in value.items() if name != "next"})
    except (AttributeError, KeyError, TypeError) as exc:
        raise ValueError(f"{type(exc).__name__} {exc}") from exc


def void(place: Place, token: str) -> None:
    """Undo a commit whose objects were lost or damaged, and fence every earlier claim."""
    _, tag = _read(place)
    place.store.swap(place.manifest, _bytes({"partition": place.partition.key, "next": token}), tag)


def _read(place: Place) -> tuple[Mapping[str, Any], str | None]:
    """Return the manifest object and its tag. One that is damaged counts as one that was never committed."""
    nothing = {"partition": place.partition.key}
    try:
        body, tag = place.store.tagged(place.manifest)
    except NotFound:
        return nothing, None
    try:
        value = json.loads(body)
        manifest_of(value)
    except ValueError:
        return nothing, tag
    return value, tag


def _publish(place: Place, manifest: Manifest, staged: list[str], delete: Callable[..., None]) -> None:
    """Copy the staged objects to their keys. Where nothing is staged all is published already."""
    if not staged:
        return
    targets = {_name(output.url): output for output in manifest.outputs}
    with Batch(place.store) as batch:
        for source in staged:
            if output := targets.get(source.rpartition("~")[2]):
                batch.run(_copy, place.store, source, output)
    for url in manifest.replaces:
        _remove(place, url, staged[0])
    delete(*staged)


def _remove(place: Place, url: str, staged: str) -> None:
    """Delete an output that is replaced, as long as this publication is the one under way."""
    with suppress(NotFound):
        _, tag = place.store.tagged(url)
        place.store.tagged(staged)  # gone, if a later claim has published for us and may have written `url` anew
        place.store.drop(url, tag)


def _name(url: str) -> str:
    """Return the last part of the address of what is staged for `url`."""
    return hashlib.sha256(url.encode()).hexdigest()[:24]


def _copy(store: Store, source: str, output: Output) -> None:
    """Publish one output; what was there before is kept first, where the collection wants that."""
    if output.previous and not any(url == output.previous for url, _ in store.list(output.previous)):
        with suppress(NotFound):  # then there is no older one any more
            store.copy(output.url, output.previous)
    with suppress(NotFound):  # then somebody has published for us, and has deleted it
        store.copy(source, output.url)


def _bytes(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, indent=1).encode()
