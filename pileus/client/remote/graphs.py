"""Requests of Stratus through the HTTP API; see `stratus.service.Service`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from pileus.client.graph_answers import ProgressAnswer
from pileus.client.remote.http import Http
from pileus.stratus.capability import Capability
from pileus.stratus.request import StratusRequest
from pileus.stratus.service import NETCDF, Progress

AT = "/stratus/core"


@dataclass(frozen=True)
class RemoteGraphs:
    """Requests to whoever stands behind a server."""

    http: Http

    def capabilities(self, via: Sequence[str] = (), /) -> tuple[Capability, ...]:
        """Return what it can do."""
        found = self.http.json(f"{AT}/capabilities", via=",".join(via) or None)["capabilities"]
        return tuple(Capability.from_json(one) for one in found)

    def start(self, request: StratusRequest) -> Progress:
        """Start a request, and return where it stands; with the rid of an equal one, that one."""
        return _progress(self.http.change("POST", f"{AT}/exe", request.to_json()))

    def find(self, rid: str) -> Progress:
        """Return where a request stands. Raises NotFound."""
        return _progress(self.http.json(f"{AT}/status", rid=rid))

    def list(self, cid: str = "", limit: int = 100) -> tuple[Progress, ...]:
        """Return the latest requests, of one `cid` or (empty) of all, the newest first."""
        return tuple(map(_progress, self.http.json(f"{AT}/requests", cid=cid or None, limit=limit)))

    def wait(self, rid: str, *, seconds: float | None = None) -> Progress:
        """Wait until a request has ended, and return where it stands then. Raises as `pileus.client.waiting.wait`."""
        from pileus.client.waiting import wait

        return wait(self, rid, seconds)

    def result(self, rid: str, name: str = "", form: str = NETCDF) -> Iterator[bytes]:
        """Return a result in one of FORMS, piece by piece. `name`: empty for the only one."""
        return self.http.pieces(f"{AT}/result", accept=form, rid=rid, name=name or None)

    def stop(self, rid: str) -> Progress:
        """Stop a request, and return where it stands. Raises NotFound; Conflict where it has ended."""
        return _progress(self.http.change("DELETE", f"{AT}/exe", rid=rid))

    def delete(self, rid: str) -> None:
        """Delete an ended request and its results. Raises NotFound; Conflict while it goes on."""
        self.http.change("DELETE", f"{AT}/result", rid=rid)

    def upload(self, content: BinaryIO) -> str:
        """Keep a NetCDF4 file, and return the address by which inputs name it, `value:SHA256`."""
        return str(self.http.change("POST", f"{AT}/values", body=content)["uri"])


def _progress(value: object) -> Progress:
    return ProgressAnswer.model_validate(value).progress()
