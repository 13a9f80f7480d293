"""What answers requests, behind every face: the stack, or a node that runs by itself."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Literal, Protocol

from pileus.models import State
from pileus.stratus.capability import Capability
from pileus.stratus.request import StratusRequest

NETCDF, PARQUET, JSON, GEOTIFF = (
    "application/netcdf",
    "application/vnd.apache.parquet",
    "application/json",
    "image/tiff; application=geotiff",
)
FORMS = (NETCDF, PARQUET, JSON, GEOTIFF)
"""Media types of results."""

Status = Literal["idle", "executing", "completed", "error", "canceled"]
STATUS: Mapping[State, Status] = {
    State.planned: "idle",
    State.waiting: "idle",
    State.queued: "idle",
    State.running: "executing",
    State.succeeded: "completed",
    State.skipped: "completed",
    State.failed: "error",
    State.cancelled: "canceled",
}
"""States in the words of Stratus."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a request stands."""

    rid: str
    cid: str
    state: State
    outputs: tuple[str, ...]
    """Names of its results."""
    done: int
    """Operations that have ended."""
    operations: int
    """All of them."""
    why: str = ""
    """One sentence, where it failed or was stopped."""


class Service(Protocol):
    """Answers requests. Every method raises StoreError when it cannot be reached."""

    def capabilities(self, via: Sequence[str] = (), /) -> tuple[Capability, ...]:
        """Return what it can do for a request that has passed the nodes `via`, which it would not ask again."""
        ...

    def start(self, request: StratusRequest) -> Progress:
        """Start a request, and return where it stands; with the rid of an equal one, that one.

        Raises DocumentError for what is wrong with it, before anything is started; Conflict where its rid has another.
        """
        ...

    def find(self, rid: str) -> Progress:
        """Return where a request stands. Raises NotFound."""
        ...

    def list(self, cid: str = "", limit: int = 100) -> tuple[Progress, ...]:
        """Return the latest requests, of one `cid` or (empty) of all, the newest first."""
        ...

    def result(self, rid: str, name: str, form: str) -> Iterator[bytes]:
        """Return a result in one of FORMS, piece by piece. `name`: empty for the only one.

        Raises NotFound for an unknown request or name, Conflict while it is not made, the failure's error where it
        failed, UsageError for a form that it has not.
        """
        ...

    def stop(self, rid: str) -> Progress:
        """Stop a request, and return where it stands. Raises NotFound; Conflict where it has ended."""
        ...

    def delete(self, rid: str) -> None:
        """Delete an ended request and its results. Raises NotFound; Conflict while it goes on."""
        ...

    def upload(self, content: BinaryIO) -> str:
        """Keep a NetCDF4 file, and return the address by which inputs name it, `value:SHA256`."""
        ...
