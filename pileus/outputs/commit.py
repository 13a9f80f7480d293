"""Commit: the outputs of a claim become visible all at once, or not at all.

The manifest is the only point of commit. It is written by compare-and-swap on its entity tag:

1. `fence`: the claim writes its token into the manifest as `next`. After that no older claim can commit. If an older
   claim has committed and not published yet, its outputs are published first. A partition without a manifest gets one
   with nothing but `next`, which readers take for no manifest. A worker that slept since its claim, and has lost it,
   does not get the fence.
2. `stage`: the claim writes its outputs below `staged/`, where readers do not look.
3. `commit`: the claim replaces the manifest, if its tag is still that of the fence. Else a later claim has fenced, and
   nothing changes.
4. `publish`: the claim copies each staged object to its final key, deletes the outputs that only the old manifest
   names, and then deletes the staged objects, at once or soon.

A worker that publishes late changes nothing: the next claim has published for it, and has deleted the staged objects
before it can commit a newer manifest.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from pileus import keys
from pileus.edges.parallel_put import Batch
from pileus.edges.store import Store, revise
from pileus.errors import Conflict, NotFound, StoreError, Unpublished
from pileus.models import SHARED, Manifest, Output, Partition

STAGED = "staged"


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
        """Return the beginning of the addresses of all objects that a claim has staged."""
        collection, version, period, group = self.partition.key.split("/")
        return f"s3://{self.internal}/{STAGED}/{collection}/{version}/{period}~{group}~{claim}~"


def claims(store: Store, internal: str) -> list[tuple[Partition, str]]:
    """Yield partition and claim of all that is staged in the bucket `internal`: the inverse of `Place.staged`."""
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
    """Entity tag of the manifest after the fence."""
    before: Manifest | None
    """The last committed manifest, whose outputs are published."""

    def stage(self, url: str) -> str:
        """Return where an output that will be at `url` is staged."""
        return self.place.staged(self.claim) + _name(url)

    def commit(self, manifest: Manifest) -> Manifest:
        """Make `manifest` the partition's manifest, and return it. Raises Conflict, and changes nothing, when a later
        claim has fenced.
        """
        have = {output.url for output in manifest.outputs}
        before = self.before.outputs if self.before else ()
        gone = tuple(output.url for output in before if output.url not in have and output.kind not in SHARED)
        committed = replace(manifest, claim=self.claim, replaces=gone)
        body = _bytes(committed.to_json())
        self.place.store.swap(self.place.manifest, body, self.tag, "application/json")
        return committed

    def publish(self, manifest: Manifest, staged: Iterable[str], delete: Callable[..., None] | None = None) -> None:
        """Copy staged objects to their final keys, delete the objects that they replace, then delete the staged ones.

        `delete` may delete the staged ones later; None: at once. A staged object that is gone was published by another
        process. Raises Unpublished when the store fails: the next claim publishes the rest.
        """
        try:
            _publish(self.place, manifest, list(staged), delete or self.place.store.delete)
        except StoreError as exc:
            raise Unpublished(f"committed, and not published yet: {exc.message}", where=exc.where) from exc


def fence(place: Place, claim: str, *, fresh: bool = False, claimed: Callable[[], bool] | None = None) -> Fence:
    """Take the right to commit from every older claim. `fresh`: there is probably no manifest yet.

    `claimed`: says whether the index still names the claim; None where nobody else can have taken it. It is asked after
    the manifest's tag was read: who takes the claim away fences after that, so that one of the two fences fails. Where
    there is no manifest, nobody has fenced. Raises Conflict when it says no, StoreError when other processes write the
    manifest again and again.
    """
    value: Mapping[str, Any] = {}

    def step(body: bytes | None) -> bytes:
        nonlocal value
        if body is not None and claimed is not None and not claimed():
            raise Conflict("another process has taken the claim", where=place.partition.key)
        value = _value(place, body)
        return _bytes({**value, "next": claim})

    _, _, tag = revise(place.store, place.manifest, step, fresh=fresh)
    before = manifest_of(value)
    if before is not None:
        roll_forward(place, before)
    return Fence(place, claim, tag, before)


def roll_forward(place: Place, manifest: Manifest) -> int:
    """Publish what was committed and is still staged. Return the number of objects."""
    left = [url for url, _ in place.store.list(place.staged(manifest.claim))] if manifest.claim else []
    _publish(place, manifest, left, place.store.delete)
    return len(left)


def clean(place: Place, claim: str) -> None:
    """Publish what a claim has staged if it is committed; delete it if a later claim has fenced."""
    value, _ = _read(place)
    manifest = manifest_of(value)
    if manifest is not None and manifest.claim == claim:
        roll_forward(place, manifest)
    elif value.get("next") != claim:
        place.store.delete(*(url for url, _ in place.store.list(place.staged(claim))))


def settled(place: Place, token: str) -> Manifest | None:
    """Return the manifest, after fencing any claim that would replace it; None where nothing was committed.

    Recovery calls it, so that it cannot miss a commit that comes just after it has read.
    """
    value, _ = _read(place)
    manifest = manifest_of(value)
    return fence(place, token).before if manifest is not None and "next" in value else manifest


def read_manifest(store: Store, url: str) -> Manifest | None:
    """Return the manifest at `url`; None where nothing was committed. Raises ValueError when it is damaged."""
    try:
        value = json.loads(store.get(url))
    except NotFound:
        return None
    return manifest_of(value)


def manifest_of(value: Any) -> Manifest | None:
    """Return the manifest in a manifest object; None where it holds only a fence.

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


def rename(place: Place, to: Mapping[str, str | None]) -> None:
    """Tell the manifest that outputs have other addresses; None: that there are no such outputs any more.

    A claim that has fenced cannot commit after that, and is tried again. Where nothing was committed nothing changes.
    """

    def step(body: bytes | None) -> bytes:
        value = dict(_value(place, body))
        if (manifest := manifest_of(value)) is None:
            return body or _bytes(value)
        outputs = [replace(one, url=url) for one in manifest.outputs if (url := to.get(one.url, one.url)) is not None]
        return _bytes({**value, "outputs": [one.to_json() for one in outputs]})

    if _read(place)[1] is not None:
        revise(place.store, place.manifest, step)


def void(place: Place, token: str) -> None:
    """Undo a commit whose objects were lost or damaged, and fence every earlier claim."""
    _, tag = _read(place)
    place.store.swap(place.manifest, _bytes({"partition": place.partition.key, "next": token}), tag)


def _read(place: Place) -> tuple[Mapping[str, Any], str | None]:
    """Return the manifest object and its tag."""
    try:
        body, tag = place.store.tagged(place.manifest)
    except NotFound:
        return _value(place, None), None
    return _value(place, body), tag


def _value(place: Place, body: bytes | None) -> Mapping[str, Any]:
    """Return the manifest object of these bytes. A damaged one counts as none."""
    nothing = {"partition": place.partition.key}
    try:
        value = nothing if body is None else json.loads(body)
        manifest_of(value)
    except ValueError:
        return nothing
    return value


def _publish(place: Place, manifest: Manifest, staged: list[str], delete: Callable[..., None]) -> None:
    """Copy the staged objects to their keys. Where nothing is staged, all is published already."""
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
    """Delete an output that was replaced, if this publication is still the current one."""
    with suppress(NotFound):
        _, tag = place.store.tagged(url)
        place.store.tagged(
            staged
        )  # no longer current when a later claim has published for us and may have written `url` again
        place.store.drop(url, tag)


def _name(url: str) -> str:
    """Return the last part of the address of what is staged for `url`."""
    return hashlib.sha256(url.encode()).hexdigest()[:24]


def _copy(store: Store, source: str, output: Output) -> None:
    """Publish one output. First keep the object that it replaces, where the collection asks for that."""
    if output.previous and not any(url == output.previous for url, _ in store.list(output.previous)):
        with suppress(NotFound):  # the older one is gone
            store.copy(output.url, output.previous)
    with suppress(NotFound):  # another process has published it for us, and deleted it
        store.copy(source, output.url)


def _bytes(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, indent=1).encode()
