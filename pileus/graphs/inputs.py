"""The files that operations read, on the scratch volume of a worker."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pileus.graphs.addresses import check_form, own_buckets
from pileus.graphs.record import copy_object, value_url
from pileus.graphs.statistics import Statistics, write_statistics
from pileus.stopping import unless
from pileus.stratus.request import Input
from pileus.stratus.uploaded import value_of
from pileus.tasks.addresses import Addresses
from pileus.tasks.process_group import TaskControl
from pileus.wiring import Edges


def fetch_inputs(
    edges: Edges, inputs: Mapping[str, Input], given: Mapping[str, str], folder: Path, control: TaskControl
) -> tuple[dict[str, Path], int]:
    """Fetch each input into a file of the folder. Return the files by id, and the bytes that came from elsewhere.

    `given`: addresses in the bucket of what other operations have made, by id. An address that several inputs have is
    fetched once. Raises what a transfer raises, Refused for an address that no worker reads, NotFound for what is gone,
    HandedBack soon after `control.cancelled` is set.
    """
    folder.mkdir(parents=True, exist_ok=True)
    here: dict[str, Path] = {}
    found: dict[str, Path] = {}
    with Addresses(edges, control) as addresses:
        for id, one in inputs.items():
            own = given.get(id) or _own(edges, one)
            url = own or one.uri
            if url not in here:
                here[url] = folder / f"{len(here)}"
                if wanted := None if own else Statistics.of(url):
                    write_statistics(edges, wanted, here[url])
                elif own:
                    copy_object(edges, url, here[url], unless(control.cancelled))
                else:
                    addresses.fetch(url, here[url])
            found[id] = here[url]
        return found, addresses.moved


def _own(edges: Edges, one: Input) -> str | None:
    """Return the address in the stack's own buckets of what an input is; None for that of anybody else."""
    check_form(one)
    if sha256 := value_of(one.uri):
        return value_url(edges, sha256)
    split = urlsplit(one.uri)
    return one.uri if split.scheme == "s3" and split.netloc in own_buckets(edges.stack) else None
