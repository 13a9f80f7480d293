"""Upkeep of a stack: reconcile, costs, dead letters."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pileus import runs
from pileus.backfills.control import new_backfill, read_registry, start
from pileus.backfills.status import find
from pileus.client.local.partitions import moment
from pileus.client.services import Services
from pileus.client.upkeep_answers import DeadLetterAnswer
from pileus.cumulus.received import Received
from pileus.deploy.cost import Estimate, estimate
from pileus.deploy.figures import latest_manifests, read_prices, work_of
from pileus.edges.dead_letters import DeadLetter
from pileus.errors import Conflict, NotFound, PileusError, Unknown, UsageError
from pileus.lifecycle.backfill import Backfill
from pileus.models import Partition
from pileus.runs import Run
from pileus.runs.from_message import start_all
from pileus.subject import parse_subject

if TYPE_CHECKING:
    from pileus.backfills.reconcile import Reconciliation


@dataclass(frozen=True)
class LocalOperations:
    """Upkeep of the stack that these services reach; see `protocol.Operations`."""

    services: Services
    deployment: Callable[[], Any]
    """Returns the settings of the deployment on AWS that costs are told of."""
    by: str = ""
    """Who asks: a backfill that begins says so."""

    def reconcile(
        self, collection: str, version: str | None = None, *, mend: bool = False, command: str = ""
    ) -> "tuple[Reconciliation, Backfill | None]":
        """Compare provider, objects, index and rows. With `mend`, repair the index and run again what is missing.

        Return what differs, and the backfill that began. Raises Unknown.
        """
        from pileus.backfills.reconcile import reconcile, repair  # GDAL is heavy

        edges = self.services.edges
        registry = read_registry(edges.store, edges.stack)
        template = registry.collection(collection, version)
        whole = new_backfill(registry, collection, now=edges.now(), version=version)
        found = reconcile(edges, template, registry.provider_of(template), whole)
        periods = repair(edges, template, found) if mend else []
        if not periods:
            return found, None
        begun = new_backfill(
            registry,
            collection,
            now=edges.now(),
            version=template.version,
            first=periods[0],
            last=periods[-1],
            onward=True,
            select="missing",
            started_by=self.by,
            command=command,
        )
        return found, start(edges, self.services.workflows, begun)

    def cost(
        self,
        collection: str,
        version: str | None = None,
        first: str | None = None,
        last: str | None = None,
    ) -> Estimate:
        """Return what a backfill would cost on AWS, by earlier groups where there are any. Raises Unknown."""
        edges = self.services.edges
        registry = read_registry(edges.store, edges.stack)
        template = registry.collection(collection, version)
        wanted = new_backfill(registry, collection, now=edges.now(), version=version, first=first, last=last)
        points = len(wanted.periods)
        limit = registry.provider_of(template).globalConnectionLimit
        work = work_of(latest_manifests(edges, template.name), points=points, groups=points, connections=limit)
        return estimate(work, self.deployment(), read_prices())

    def dead_letters(self) -> list[DeadLetterAnswer]:
        """Return the messages that no worker could deal with, oldest first."""
        return [self._facts(message) for message in self.services.dead_letters.all()]

    def dead_letter(self, id: str) -> str:
        """Return one as it was sent. Raises Unknown."""
        return self._message(id).body

    def _message(self, id: str) -> DeadLetter:
        for message in self.services.dead_letters.all():
            if message.id == id:
                return message
        raise Unknown(f"there is no dead letter {id!r}: `pileus dead-letters list` shows them")

    def redrive(self, id: str, *, command: str = "") -> "Backfill | Run":
        """Run what a message is about again, and delete the message: no workflow waits for its answer.

        Return the new backfill of its partition, the new run of its request, or the run that a message starts now.
        Raises Unknown when it is gone, UsageError when it is no task of Pileus.
        """
        edges, message = self.services.edges, self._message(id)
        if (of := message.request or message.run) is not None:
            run = runs.rerun(edges, self.services.workflows, of)
            self.services.dead_letters.remove(id)
            return run
        if message.letter:
            registry, received = read_registry(edges.store, edges.stack), Received.from_json(message.letter["message"])
            run, *_ = start_all(edges, self.services.workflows, registry, received)
            self.services.dead_letters.remove(id)
            return run
        if message.partition is None or message.backfill is None:
            raise UsageError(f"{id} is not a task of Pileus, so it stays: see `pileus dead-letters show`")
        partition = Partition.parse(message.partition)
        planned = new_backfill(
            read_registry(edges.store, edges.stack),
            partition.collection,
            now=edges.now(),
            version=partition.version,
            first=partition.period,
            last=partition.period,
            onward=True,
            queue=find(edges, message.backfill).queue,
            started_by=self.by,
            command=command,
        )
        started = start(edges, self.services.workflows, planned)
        self.services.dead_letters.remove(id)
        return started

    def redrive_all(self, most: int, *, command: str = "") -> list[tuple[str, "Backfill | Run | PileusError"]]:
        """Redrive the oldest messages, and return of each its id and what it led to, or why it stays."""
        found: list[tuple[str, Backfill | Run | PileusError]] = []
        for letter in self.services.dead_letters.all()[:most]:
            try:
                found.append((letter.id, self.redrive(letter.id, command=command)))
            except (UsageError, Conflict, NotFound) as error:
                found.append((letter.id, error))
        return found

    def _facts(self, message: DeadLetter) -> DeadLetterAnswer:
        """Return what is known of a message. The reason of the failure comes from the index."""
        why = message.reason or (None if message.key else "not a message of ours")
        entry = self.services.edges.index.entry(parse_subject(message.key)) if message.key else None
        if entry and not message.reason:
            why = str(entry.failure) if entry.failure else f"by now {entry.state}"
        return DeadLetterAnswer(
            id=message.id,
            queue=message.queue,
            sent=moment(message.sent),
            backfill=message.backfill,
            partition=message.partition,
            key=message.key,
            why=why,
        )
