"""The folders of a provider, each listed once, for the points in time that share them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pileus.discover import Lister
from pileus.errors import PileusError
from pileus.models import Listed, Problem

Files = list[Listed | Problem]


class Listings:
    """Listings of one provider; each folder is asked for once.

    A folder that failed raises the same error each time it is read.
    """

    def __init__(self) -> None:
        self._edge: Lister | None = None
        self._described: dict[str, Listed] = {}
        self._folders: dict[str, Files | PileusError] = {}
        self._by_point: dict[tuple[str, int], dict[str, Files]] = {}

    def fetch(self, edge: Lister, paths: Iterable[str], parallel: int) -> None:
        """List the folders that are not known yet, `parallel` at once. `edge` answers everything else."""
        self._edge = edge
        wanted = [path for path in dict.fromkeys(paths) if path not in self._folders]
        with ThreadPoolExecutor(max(1, min(parallel, len(wanted))), thread_name_prefix="list") as pool:
            self._folders.update(zip(wanted, pool.map(self._ask, wanted), strict=True))

    def _ask(self, path: str) -> Files | PileusError:
        assert self._edge is not None  # `fetch` set it
        try:
            return list(self._edge.list(path))
        except PileusError as error:
            return error

    def list(self, path: str) -> Iterator[Listed | Problem]:
        yield from self._known(path)

    def describe(self, file: Listed) -> Listed:
        if file.url not in self._described:
            assert self._edge is not None  # `fetch` set it
            self._described[file.url] = self._edge.describe(file)
        return self._described[file.url]

    def naming(self, point: str) -> "_Naming":
        """Return the same listings, with only the files whose names contain `point`: a folder of all months has few of
        them.
        """
        return _Naming(self, point)

    def _known(self, path: str) -> Files:
        found = self._folders[path]
        if isinstance(found, PileusError):
            raise found
        return found

    def of_point(self, path: str, point: str) -> Files:
        key = (path, len(point))
        if key not in self._by_point:
            index: dict[str, Files] = defaultdict(Files)
            for file in self._known(path):
                for text in {file.name[at : at + len(point)] for at in range(len(file.name) - len(point) + 1)}:
                    if text[:4].isdecimal():  # as points in time of every unit begin
                        index[text].append(file)
            self._by_point[key] = index
        return self._by_point[key].get(point, [])


@dataclass(frozen=True, slots=True)
class _Naming:
    listings: Listings
    point: str

    def list(self, path: str) -> Iterator[Listed | Problem]:
        yield from self.listings.of_point(path, self.point)

    def describe(self, file: Listed) -> Listed:
        return self.listings.describe(file)
