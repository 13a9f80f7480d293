"""The object store of a simulated stack."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

from pileus.errors import Conflict, NotFound
from spec.simulation.schedule import Schedule

Wrote = Callable[[str, bytes | None], None]
"""Called after an object was written (its bytes) or deleted (None)."""


class Objects:
    """Objects by address; an entity tag is the hash of the bytes, as in S3."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}
        self.wrote: list[Wrote] = []

    def put(self, url: str, body: bytes | None) -> None:
        if body is None:
            self.bodies.pop(url, None)
        else:
            self.bodies[url] = body
        for wrote in self.wrote:
            wrote(url, body)


def tag_of(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def short(url: str) -> str:
    """An address for the history."""
    return url.removeprefix("s3://")


class SimulatedStore:
    """A Store; see pileus.edges.store."""

    def __init__(self, schedule: Schedule, objects: Objects, down: Callable[[], bool]) -> None:
        self._schedule, self.objects, self._down = schedule, objects, down

    def _effect(self, what: str, do: Callable[[], Any]) -> Any:
        return self._schedule.effect(what, do, self._down)

    def _found(self, url: str) -> bytes:
        try:
            return self.objects.bodies[url]
        except KeyError:
            raise NotFound("there is no such object", where=url) from None

    def get(self, url: str) -> bytes:
        body: bytes = self._effect(f"get {short(url)}", lambda: self._found(url))
        return body

    def put(self, url: str, body: bytes, content_type: str = "") -> None:
        self._effect(f"put {short(url)}", lambda: self.objects.put(url, body))

    def tagged(self, url: str) -> tuple[bytes, str]:
        body: bytes = self._effect(f"get {short(url)}", lambda: self._found(url))
        return body, tag_of(body)

    def swap(self, url: str, body: bytes, tag: str | None, content_type: str = "") -> str:
        def do() -> str:
            stored = self.objects.bodies.get(url)
            if (None if stored is None else tag_of(stored)) != tag and stored != body:
                raise Conflict("changed meanwhile", where=url)
            self.objects.put(url, body)
            return tag_of(body)

        made: str = self._effect(f"swap {short(url)}", do)
        return made

    def drop(self, url: str, tag: str) -> None:
        def do() -> None:
            if (stored := self.objects.bodies.get(url)) is not None and tag_of(stored) == tag:
                self.objects.put(url, None)

        self._effect(f"drop {short(url)}", do)

    def copy(self, source: str, target: str) -> None:
        self._effect(f"copy {short(source)} to {short(target)}", lambda: self.objects.put(target, self._found(source)))

    def list(self, prefix: str, *, after: str = "") -> Iterator[tuple[str, int]]:
        bodies = self.objects.bodies
        yield from self._effect(
            f"list {short(prefix)}",
            lambda: [(url, len(bodies[url])) for url in sorted(bodies) if url.startswith(prefix)],
        )

    def delete(self, *urls: str) -> None:
        for url in urls:  # S3 deletes several at once, and may have done only some of them
            self._effect(f"delete {short(url)}", lambda url=url: self.objects.put(url, None))

    def marks(self, prefix: str) -> Iterator[tuple[str, str]]:
        bodies = self.objects.bodies
        yield from self._effect(
            f"list {short(prefix)}",
            lambda: [(url, tag_of(bodies[url])) for url in sorted(bodies) if url.startswith(prefix)],
        )

    def mark(self, url: str) -> tuple[int, str]:
        body: bytes = self._effect(f"head {short(url)}", lambda: self._found(url))
        return len(body), tag_of(body)

    def part(self, url: str, start: int, stop: int, mark: str) -> bytes:
        body: bytes = self._effect(f"get {short(url)}", lambda: self._found(url))
        if tag_of(body) != mark:
            raise Conflict("changed meanwhile", where=url)
        return body[start:stop]

    def signed(self, url: str, seconds: int, *, write: bool = False) -> str | None:
        return None
