"""The provider of a simulation: months of tiles that are published, or not yet, and may be made anew."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pileus.documents import Collection, Provider
from pileus.errors import NotFound, Unreachable
from pileus.lifecycle.fingerprint import fingerprint
from pileus.models import Granule, Listed
from pileus.project.folder import with_zones
from spec.simulation.schedule import Schedule

NAME, VERSION = "viirs", "001"
TILES = ("1", "2")
PROVIDER = Provider(id="site", protocol="http", host="site")
Place = tuple[str, str]
"""Period (2015-01) and group."""


def template(months: list[str], zones: str) -> Collection:
    """The collection of every simulation; `zones`: the address of its zones."""
    made = Collection.model_validate(
        {
            "name": NAME,
            "templated_name": NAME + "_{{pointInTime}}",
            "version": VERSION,
            "files": [{"regex": r"(?P<set>[a-z])_(?P<tile>\d)\.tgz"}],
            "provider": "site",
            "provider_path": "/{{pointInTime}}/",
            "options": {
                "spanUnit": "month",
                "spanStart": months[0].replace("-", ""),
                "spanEnd": months[-1].replace("-", ""),
            },
            "meta": {
                "group": {"by": ["set"], "each": "tile", "expect": list(TILES)},
                "process": {"band": "light", "zones": "data/zones/places.geojson"},
            },
        }
    )
    return with_zones(made, zones)


@dataclass
class Site:
    """What is published. Each group is of two tiles."""

    schedule: Schedule
    tiles: dict[Place, dict[str, int]] = field(default_factory=dict)
    """Version of each published tile."""
    changes: dict[Place, list[tuple[float, dict[str, int]]]] = field(default_factory=dict)
    """Every change of a place: when, and its tiles from then on."""
    folders: set[str] = field(default_factory=set)
    """Periods that have a folder, if perhaps an empty one."""
    unreachable: float = 0
    """Share of the requests that fail."""

    def publish(self, place: Place, tiles: tuple[str, ...] = TILES) -> None:
        """The tiles are there from now on; those that were there have been made anew."""
        self.folders.add(place[0])
        now = self.tiles.setdefault(place, {})
        for tile in tiles:
            now[tile] = now.get(tile, 0) + 1
        self.changes.setdefault(place, []).append((self.schedule.now, dict(now)))
        self.schedule.note(f"{place[0]}/{place[1]} has tiles {now}", "provider")

    def at(self, when: float) -> dict[Place, dict[str, int]]:
        """What was published at a moment."""
        found = {place: self._edition(place, when) for place in self.changes}
        return {place: tiles for place, tiles in found.items() if tiles}

    def _edition(self, place: Place, when: float) -> dict[str, int]:
        """The tiles of a place at a moment; none where nothing was published."""
        return next((tiles for time, tiles in reversed(self.changes.get(place, ())) if time <= when), {})

    def editions(self, place: Place, since: float, until: float) -> list[dict[str, int]]:
        """The complete states that a group had in an interval."""
        changed = [tiles for time, tiles in self.changes.get(place, ()) if since < time <= until]
        return [tiles for tiles in (self._edition(place, since), *changed) if len(tiles) == len(TILES)]

    def listed(self, place: Place, tiles: dict[str, int]) -> list[Listed]:
        """The entries of a listing."""
        period, group = place
        folder = f"http://site/{period.replace('-', '')}"
        return [
            Listed(f"{group}_{tile}.tgz", f"{folder}/{group}_{tile}.tgz", 100, etag=f"e{version}")
            for tile, version in sorted(tiles.items())
        ]

    def fingerprint(self, place: Place, tiles: dict[str, int], collection: Collection) -> str:
        """What a run of `collection` has for these tiles."""
        granules = [Granule(listed, {}) for listed in self.listed(place, tiles)]
        return str(fingerprint(granules, collection.meta))


class Edge:
    """The site as a provider's edge; `struck` may raise what a provider's answer may be."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def _ask(self, what: str, do: Callable[[], Any]) -> Any:
        schedule = self._site.schedule
        schedule.sleep(schedule.latency())
        if self._site.unreachable and schedule.dice.random() < self._site.unreachable:
            schedule.note(f"{what}: UNREACHABLE")
            raise Unreachable("no connection", where=what)
        return do()

    def _list(self, period: str) -> list[Listed]:
        if period not in self._site.folders:
            raise NotFound("404", where=f"http://site/{period}/")
        places = sorted(place for place in self._site.tiles if place[0] == period)
        return [listed for place in places for listed in self._site.listed(place, self._site.tiles[place])]

    def list(self, path: str) -> Iterator[Listed]:
        month = path.strip("/")
        period = f"{month[:4]}-{month[4:]}"
        yield from self._ask(f"http://site/{month}/", lambda: self._list(period))

    def describe(self, file: Listed) -> Listed:
        return file

    def version(self, url: str) -> str:
        """Entity tag of a file as of now."""
        month, name = url.split("/")[-2:]
        place = (f"{month[:4]}-{month[4:]}", name[0])
        tag: str = self._ask(url, lambda: f"e{self._site.tiles[place][name[2]]}")
        return tag

    def close(self) -> None:
        pass


@dataclass
class Secrets:
    """Stands where secrets are, and leads `connect` to the site."""

    site: Site


def connect(provider: Provider, *, secrets: Any, connections: Any = None) -> Edge:
    """In place of pileus.edges.providers.connect."""
    return Edge(secrets.site)
