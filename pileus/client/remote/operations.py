"""Upkeep through the HTTP API; see `protocol.Operations`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pileus.client.answers import BackfillAnswer
from pileus.client.remote.http import Http, segment
from pileus.client.upkeep_answers import DeadLetterAnswer, Reconciled
from pileus.lifecycle.backfill import Backfill
from pileus.runs import Run

if TYPE_CHECKING:
    from pileus.backfills.reconcile import Reconciliation


@dataclass(frozen=True)
class RemoteOperations:
    """Upkeep of the stack behind a server."""

    http: Http

    def reconcile(
        self, collection: str, version: str | None = None, *, mend: bool = False, command: str = ""
    ) -> "tuple[Reconciliation, Backfill | None]":
        """Compare provider, objects, index and rows. With `mend`, repair the index and run again what is missing.

        Return what differs, and the backfill that began. Raises Unknown.
        """
        asked = {"collection": collection, "version": version, "repair": mend, "command": command}
        told = Reconciled.model_validate(self.http.change("POST", "/v1/reconcile", asked))
        from pileus.backfills.reconcile import Finding, Reconciliation  # GDAL is heavy

        findings = tuple(Finding(one.kind, one.partition, one.detail) for one in told.findings)
        begun = self.http.json(f"/v1/backfills/{segment(told.backfill)}") if told.backfill else None
        found = Reconciliation(told.partitions, told.objects, findings, {})
        return found, BackfillAnswer.model_validate(begun).backfill if begun else None

    def dead_letters(self) -> list[DeadLetterAnswer]:
        """Return the messages that no worker could deal with, oldest first."""
        return [DeadLetterAnswer.model_validate(one) for one in self.http.json("/v1/dead-letters")]

    def dead_letter(self, id: str) -> str:
        """Return one as it was sent. Raises Unknown."""
        return str(self.http.json(f"/v1/dead-letters/{segment(id)}")["body"])

    def redrive(self, id: str, *, command: str = "") -> Backfill | Run:
        """Run what a message is about again, and delete the message. Raises Unknown and UsageError."""
        del command
        answer = self.http.change("POST", f"/v1/dead-letters/{segment(id)}/redrive")
        return Run.from_json(answer) if "key" in answer else BackfillAnswer.model_validate(answer).backfill
