"""What can be asked of a stack. `local` answers it from the stack itself, `remote` through the HTTP API."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, Unpack

from pileus.backfills.status import Status
from pileus.backfills.timing import SHOWN
from pileus.client.answers import (
    AxisAnswer,
    Happening,
    PartitionDetail,
    Populated,
    RuleAnswer,
    SeriesAnswer,
    ZonesAnswer,
)
from pileus.client.forecast import Forecast
from pileus.client.rules import BackfillRules, RowRules, SeriesRules, SpanRules
from pileus.client.run_answers import ProcessAnswer
from pileus.client.timing_answers import TimingAnswer
from pileus.client.upkeep_answers import DeadLetterAnswer
from pileus.edges.logs import Line
from pileus.lifecycle.backfill import Backfill, Select
from pileus.lifecycle.backfill import State as BackfillState
from pileus.models import State
from pileus.project.registry import Registry
from pileus.stratus.service import Progress, Service

if TYPE_CHECKING:
    import pyarrow as pa

    from pileus.backfills.reconcile import Reconciliation
    from pileus.granules.act import Acted
    from pileus.granules.read import GranuleView
    from pileus.models import Manifest
    from pileus.runs import Run, RunEvent
    from pileus.runs.payloads import Processed


class Backfills(Protocol):
    """Backfills. Every method raises Unknown for one that does not exist, and StoreError or Unreachable."""

    def plan(self, collection: str, **rules: Unpack[SpanRules]) -> Forecast:
        """Return what a backfill would do to each partition, why, and what it would cost. Writes nothing."""

    def start(self, collection: str, *, max_dollars: float | None = None, **rules: Unpack[BackfillRules]) -> Backfill:
        """Start a backfill, and return it. Raises NotNow when there is one of its id.

        `max_dollars`: it starts no more groups when those started cost this much on AWS, as estimated.
        """

    def all(self, *, collection: str | None = None, state: BackfillState | None = None) -> Iterator[Backfill]:
        """Yield backfills, newest first."""

    def show(self, id: str) -> Backfill:
        """Return a backfill as it is now."""

    def status(self, id: str, *, whole: bool = False, files: bool = False) -> Status:
        """Return a backfill with the outcome of each partition. `whole`: with all details; `files`: with those set
        aside.
        """

    def timing(self, id: str, *, limit: int = SHOWN) -> TimingAnswer:
        """Return where its time went: by step, of its `limit` slowest partitions, and over time."""

    def pause(self, id: str) -> Backfill:
        """Stop it so that `resume` can continue it. Raises NotNow when it is over."""

    def resume(self, id: str) -> Backfill:
        """Continue a paused one. Raises NotNow when it is not paused."""

    def cancel(self, id: str) -> Backfill:
        """Stop it for good. Raises NotNow when it is over."""

    def retry(self, id: str, select: Select = "needed", only: tuple[str, ...] = ()) -> Backfill:
        """Run partitions of an ended one again. `only`: points in time, or partitions as PERIOD/GROUP; empty: all.

        Raises NotNow when it has not ended.
        """

    def history(self, id: str) -> Iterator[Happening]:
        """Yield what happened last to each of its partitions, newest first."""

    def partition(self, id: str, period: str, group: str) -> PartitionDetail:
        """Return one partition: its files, attempts, reasons, manifest and outputs."""

    def logs(self, id: str, period: str, group: str) -> list[Line]:
        """Return what workers wrote about a partition in any run of the backfill, oldest first."""


class Documents(Protocol):
    """Collections, providers, rules and zones."""

    def registry(self) -> Registry:
        """Return all that is populated; empty where nothing is."""

    def populate(
        self, registry: Registry, zones: Mapping[str, bytes] | None = None, *, only_check: bool = False
    ) -> Populated:
        """Give the stack these documents in place of its own: all or none. `zones`: files by the key that collections
        name them by. Raises DocumentError for the first that is wrong.
        """

    def zones(self, collection: str, version: str | None = None) -> dict[str, Any]:
        """Return the zones of a collection as GeoJSON in longitude and latitude. Raises Unknown."""

    def keep_zones(self, name: str, body: bytes) -> ZonesAnswer:
        """Keep a file of zones under its content. Raises ZonesError for what is none."""

    def rules(self, *, firings: int = 3) -> list[RuleAnswer]:
        """Return all rules by name, each with the next times at which it fires."""

    def rule(self, name: str, *, firings: int = 3) -> RuleAnswer:
        """Return a rule, with the next times at which it fires. Raises Unknown."""

    def set_rule(self, name: str, *, enabled: bool) -> list[str]:
        """Let a rule fire, or stop it; return the onetime rules that began. Raises Unknown."""

    def fire(self, name: str, message: Mapping[str, Any] | None = None) -> str:
        """Fire a rule now, in any state: one that fires with messages with this one. Return the ARN of the execution.
        Raises Unknown, UsageError, and DocumentError for a message that is a wrong CNM.
        """


class Outputs(Protocol):
    """Rows, series and objects."""

    def statistics(self, collection: str, **rules: Unpack[RowRules]) -> "pa.Table":
        """Return the rows of a collection. Raises Unknown, and UsageError for a period that is none."""

    def series(self, collection: str, zone: str, **rules: Unpack[SeriesRules]) -> SeriesAnswer:
        """Return one statistic of one zone over time, with the reason of each gap. Raises Unknown."""

    def axis(self, collection: str, first: str | None = None, last: str | None = None) -> AxisAnswer:
        """Return all periods of a series, and why a zone may have no row there. Raises Unknown."""

    @property
    def bucket(self) -> str:
        """Return the bucket that the outputs are in."""

    def collections(self) -> list[str]:
        """Return the names of the collections that have statistics."""

    def objects(self, collection: str) -> Iterator[tuple[str, int]]:
        """Yield address and size in bytes of everything that was written for a collection. Raises Unknown."""

    def body(self, collection: str, url: str) -> bytes:
        """Return an object that was written for a collection. Raises Unknown for any other."""

    def manifests(self, collection: str) -> "list[Manifest]":
        """Return the manifests of its latest groups that can be read: up to 20, what costs are measured from."""

    def write_catalog(self, collection: str) -> list[str]:
        """Write its static STAC catalog into the bucket. Return the addresses, root first. Raises UsageError where it
        has no item.
        """

    def write_site(self) -> list[tuple[str, int]]:
        """Write the page and its present data into the bucket. Return address and bytes of each file, the page
        first.
        """


class Runs(Protocol):
    """Runs of processes, and partitions as runs. A key names what a run is about."""

    def processes(self) -> list[ProcessAnswer]:
        """Return the processes that there are, each with the JSON Schema of its inputs."""

    def start(self, process: str, inputs: Mapping[str, Any], id: str | None = None) -> "Run":
        """Start a run of a process, or of `workflow:NAME` over a document. With an id that has a run with the same
        inputs, return that one.

        Raises Unknown for the process, DocumentError for wrong inputs, Conflict where the id has other inputs.
        """

    def process(self, payload: Mapping[str, Any], *, replace: bool = False) -> "Processed":
        """Start the workflow of a payload of Cirrus over it, where its state allows that. `payload`: as JSON, or
        `{"url": ...}`, its address in S3. `replace`: also where it has succeeded or is invalid.

        Raises DocumentError for one that is wrong, and Unknown for its workflow; both are written down.
        """

    def show(self, key: str) -> "Run":
        """Return a run as it is now. Raises NotFound, and UsageError for what is no key."""

    def all(self, of: str, *, state: State | None = None) -> Iterator["Run"]:
        """Yield the runs of a process, of `workflow:NAME` or `payload:COLLECTIONS_WORKFLOW`, newest first, or of
        partitions by their scope, such as `viirs/001/2015`.
        """

    def stop(self, key: str) -> "Run":
        """Stop a run at once. Raises Conflict when it has ended."""

    def rerun(self, key: str) -> "Run":
        """Run a request again with the same inputs, once it has ended. Raises Conflict while it goes on."""

    def input(self, key: str) -> Any:
        """Return the input document of a run. Raises NotFound where there is none."""

    def events(self, key: str) -> "list[RunEvent]":
        """Return what has happened to it, and what its execution did, oldest first. Raises NotFound."""

    def logs(self, key: str) -> list[Line]:
        """Return what workers wrote about it, oldest first. Raises NotFound."""

    def result(self, key: str) -> Any:
        """Return the result document: of a partition the manifest, of a workflow what it put out.

        Raises Conflict where there is none.
        """

    def rows(self, key: str) -> "pa.Table":
        """Return the rows that a run has made. Raises Conflict where there are none."""


class Granules(Protocol):
    """Granules of collections that say what one is."""

    def show(self, collection: str, id: str, version: str | None = None) -> "GranuleView":
        """Return a granule, with its files where they are kept. Raises NotFound, and Unknown for the collection."""

    def all(
        self, collection: str, version: str | None = None, *, state: State | None = None, begins: str = ""
    ) -> Iterator["GranuleView"]:
        """Yield the granules of a collection, in the order of their ids: all, or those in a state, or whose id begins
        so.

        Raises Unknown for the collection.
        """

    def act(self, wanted: Mapping[str, Any], id: str | None = None) -> "Run":
        """Have something done with granules, and return the run that does it; the same id does it once.

        `wanted`: as `granules.wanted.Wanted` has it. Raises DocumentError for a wish that is none, Unknown for the
        collection, UsageError for a bucket or workflow that there is not.
        """

    def outcomes(self, id: str) -> Iterator["Acted"]:
        """Yield what a run of `act` came to so far, granule by granule."""


class Graphs(Service, Protocol):
    """Requests of Stratus: operations over data sets."""

    def wait(self, rid: str, *, seconds: float | None = None) -> Progress:
        """Wait until a request has ended, and return where it stands then. `seconds`: the longest time; None: as long
        as it takes. Raises NotFound, and TimeoutError when it goes on.
        """
        ...


class Operations(Protocol):
    """Upkeep."""

    def reconcile(
        self, collection: str, version: str | None = None, *, mend: bool = False, command: str = ""
    ) -> "tuple[Reconciliation, Backfill | None]":
        """Compare provider, objects, index and rows. With `mend`, repair the index and run again what is missing.

        Return what differs, and the backfill that began. Raises Unknown.
        """

    def dead_letters(self) -> list[DeadLetterAnswer]:
        """Return the messages that no worker could deal with, oldest first."""

    def dead_letter(self, id: str) -> str:
        """Return one as it was sent. Raises Unknown."""

    def redrive(self, id: str, *, command: str = "") -> "Backfill | Run":
        """Run what a message is about again, and delete the message. Raises Unknown and UsageError."""
