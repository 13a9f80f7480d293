"""Requests of Stratus on the stack: start, look, stop, take results; see `stratus.service.Service`."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from pileus import runs
from pileus.client.services import Services
from pileus.edges.store import delete_all
from pileus.errors import Conflict, DocumentError, NotFound, UsageError
from pileus.graphs import record
from pileus.graphs.progress import entry_of, error_of, latest, progress_of, subject_of
from pileus.graphs.uploads import sweep, want
from pileus.lifecycle.partition import Entry
from pileus.models import State
from pileus.stratus.capability import Capability
from pileus.stratus.request import StratusRequest
from pileus.stratus.service import FORMS, NETCDF, Progress
from pileus.stratus.uploaded import SCHEME, copy_netcdf
from pileus.subject import REQUEST_ID

LARGEST = 1 << 30
"""Bytes of an uploaded file."""


@dataclass(frozen=True)
class LocalGraphs:
    """Requests to the stack that these services reach."""

    services: Services
    by: str = ""
    """Who asks: a request that is stopped says so."""

    def capabilities(self, _via: Sequence[str] = (), /) -> tuple[Capability, ...]:
        """Return what workers can do."""
        return self.services.edges.endpoints().capabilities()

    def start(self, request: StratusRequest) -> Progress:
        """Start a request, and return where it stands; with the rid of an equal one, that one.

        Raises DocumentError for what is wrong with it, before anything is started; Conflict where its rid has another.
        """
        if request.rid and not REQUEST_ID.fullmatch(request.rid):
            raise DocumentError(f"rid: expected up to 40 letters, digits, _ and -, not {request.rid!r}")
        edges, asked = self.services.edges, {"request": replace(request, rid="").to_json()}
        run = runs.start(edges, self.services.workflows, record.PROCESS, asked, request.rid or None)
        return progress_of(edges, entry_of(edges, run.subject.item))

    def find(self, rid: str) -> Progress:
        """Return where a request stands. One whose start or end nobody recorded is settled first. Raises NotFound."""
        return progress_of(self.services.edges, self._settled(rid))

    def list(self, cid: str = "", limit: int = 100) -> tuple[Progress, ...]:
        """Return the latest requests, of one `cid` or (empty) of all, the newest first."""
        return tuple(latest(self.services.edges, cid, limit))

    def wait(self, rid: str, *, seconds: float | None = None) -> Progress:
        """Wait until a request has ended, and return where it stands then. Raises as `pileus.client.waiting.wait`."""
        from pileus.client.waiting import wait

        return wait(self, rid, seconds)

    def result(self, rid: str, name: str = "", form: str = NETCDF) -> Iterator[bytes]:
        """Return a result in one of FORMS, piece by piece. `name`: empty for the only one.

        Raises NotFound for an unknown request or name, Conflict while it is not made, the failure's error where it
        failed, UsageError for a form that it has not.
        """
        if form not in FORMS:
            raise UsageError(f"{form[:80]!r} is no form of a result: expected one of {', '.join(FORMS)}")
        url = self._result_url(self._settled(rid), name)
        return self._netcdf(url) if form == NETCDF else self._written(url, form)

    def stop(self, rid: str) -> Progress:
        """Stop a request, and return where it stands. Raises NotFound; Conflict where it has ended."""
        edges, subject = self.services.edges, subject_of(rid)
        runs.stop(edges, self.services.workflows, subject.key, f"stopped by {self.by or 'its user'}")
        return progress_of(edges, entry_of(edges, rid))

    def delete(self, rid: str) -> None:
        """Delete an ended request and its results. Raises NotFound; Conflict while it goes on."""
        edges, entry = self.services.edges, self._settled(rid)
        if not entry.state.ended:
            raise Conflict(f"is {entry.state}: stop it first", where=rid)
        for url in record.objects(edges, subject_of(rid)):  # the copy of the entry last: until then it can be repeated
            delete_all(edges.store, [url])
        edges.index.remove(entry)
        sweep(edges)

    def upload(self, content: BinaryIO) -> str:
        """Keep a NetCDF4 file for ten days, and return the address by which inputs name it, `value:SHA256`.

        Raises UsageError for any other file, and for one of more than a gigabyte.
        """
        edges, too_long = self.services.edges, f"the file has more than {LARGEST:,} bytes: give its address instead"
        with tempfile.NamedTemporaryFile(prefix="pileus-value-") as kept:
            sha256 = copy_netcdf(content, kept.file, LARGEST, too_long)
            kept.flush()
            want(edges, [sha256])
            edges.archives.put(Path(kept.name), record.value_url(edges, sha256))
        sweep(edges)
        return f"{SCHEME}{sha256}"

    def _settled(self, rid: str) -> Entry:
        edges = self.services.edges
        runs.settle(edges, self.services.workflows, subject_of(rid).key)
        return entry_of(edges, rid)

    def _result_url(self, entry: Entry, name: str) -> str:
        """Return the address of the NetCDF file of a result."""
        edges, subject = self.services.edges, subject_of(entry.subject.item)
        outputs = progress_of(edges, entry).outputs
        if not name and len(outputs) > 1:
            raise UsageError(f"has several results: name one of {', '.join(outputs[:20])}", where=subject.id)
        if name and name not in outputs:
            raise NotFound(f"has no result {name[:64]!r}: there is {', '.join(outputs[:20])}", where=subject.id)
        if entry.failure:
            raise error_of(entry.failure)
        if entry.state is not State.succeeded:
            raise Conflict(f"is {entry.state} and has no result", where=subject.id)
        return record.result_url(edges, subject, entry.number, name or outputs[0], outputs)

    def _netcdf(self, url: str) -> Iterator[bytes]:
        store = self.services.edges.store
        size, mark = store.mark(url)
        return (store.part(url, at, min(size, at + record.BLOCK), mark) for at in range(0, size, record.BLOCK))

    def _written(self, url: str, form: str) -> Iterator[bytes]:
        """Return a result in another form. It is written whole before the first byte is returned, so that what cannot
        be written is an error and not half an answer.
        """
        from pileus.stratus.forms import write_form

        with tempfile.TemporaryDirectory(prefix="pileus-result-") as folder:
            here = Path(folder) / "result.nc"
            record.copy_object(self.services.edges, url, here)
            return write_form(here, form)
