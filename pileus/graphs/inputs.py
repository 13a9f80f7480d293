"""The files that operations read, on the scratch volume of a worker."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from pileus.graphs.addresses import check_form, own_buckets
from pileus.graphs.collection import OfCollection
from pileus.graphs.rasters import Rasters
from pileus.graphs.record import copy_object, value_url
from pileus.graphs.span import span_of
from pileus.graphs.statistics import write_statistics
from pileus.stopping import unless
from pileus.stratus.request import Input, StratusRequest
from pileus.stratus.uploaded import value_of
from pileus.tasks.addresses import Addresses
from pileus.tasks.worker_state import TaskControl, WorkerState
from pileus.wiring import Edges


@dataclass
class Inputs:
    """The inputs of a request, found and not fetched yet."""

    edges: Edges
    request: StratusRequest
    given: Mapping[str, str]
    """Addresses in the bucket of what other operations have made, by id."""
    rasters: Mapping[str, Rasters] = field(default_factory=dict)
    """Of those inputs that are the rasters of a collection, by id."""

    @classmethod
    def found(cls, edges: Edges, request: StratusRequest, given: Mapping[str, str]) -> "Inputs":
        """Look for what has to be looked for. Raises DocumentError, and what a listing raises."""
        rasters = dict[str, Rasters]()
        for id, one in request.inputs.items():
            wanted = None if id in given else OfCollection.of(one.uri)
            if wanted and wanted.rasters:
                rasters[id] = Rasters.found(edges, span_of(edges, wanted, request.domains.get(one.domain)))
        return cls(edges, request, given, rasters)

    @property
    def size(self) -> int:
        """Return the bytes of the scratch volume that the rasters of collections need."""
        return sum(one.size for one in self.rasters.values())

    def fetch(self, folder: Path, worker: WorkerState, control: TaskControl) -> tuple[dict[str, Path], int]:
        """Fetch each input into a file of the folder. Return the files by id, and the bytes that came from elsewhere.

        What several inputs name is fetched once. Raises what a transfer raises, Refused for an address that no worker
        reads, NotFound for what is gone, HandedBack soon after `control.cancelled` is set.
        """
        folder.mkdir(parents=True, exist_ok=True)
        here: dict[tuple[str, str], Path] = {}
        found: dict[str, Path] = {}
        moved = 0
        with Addresses(self.edges, control) as addresses:
            for id, one in self.request.inputs.items():
                own = self.given.get(id) or _own(self.edges, one)
                what = own or one.uri, one.domain if id in self.rasters else ""
                if what not in here:
                    path = here[what] = folder / f"{len(here)}"
                    if id in self.rasters:
                        moved += self._rasters(self.rasters[id], path, worker, control)
                    elif wanted := None if own else OfCollection.of(one.uri):
                        write_statistics(self.edges, wanted, path)
                    elif own:
                        copy_object(self.edges, own, path, unless(control.cancelled))
                    else:
                        addresses.fetch(one.uri, path)
                found[id] = here[what]
            return found, addresses.moved + moved

    def _rasters(self, rasters: Rasters, path: Path, worker: WorkerState, control: TaskControl) -> int:
        template, provider = rasters.span.template, rasters.span.provider
        inside = worker.inside(f"{template.name} {template.version} from {provider.id}")
        return rasters.write(self.edges, path, inside, control)


def _own(edges: Edges, one: Input) -> str | None:
    """Return the address in the stack's own buckets of what an input is; None for that of anybody else."""
    check_form(one)
    if sha256 := value_of(one.uri):
        return value_url(edges, sha256)
    split = urlsplit(one.uri)
    return one.uri if split.scheme == "s3" and split.netloc in own_buckets(edges.stack) else None
