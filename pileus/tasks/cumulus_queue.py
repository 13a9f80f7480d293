"""QueueGranules as in Cumulus: a workflow is started for each few granules."""

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from pileus.backfills.control import read_registry
from pileus.cumulus.message import cumulus_message
from pileus.documents import Collection, Provider
from pileus.edges.workflows import Workflows, execution_arn
from pileus.errors import Conflict, DocumentError, NotFound
from pileus.granules import record
from pileus.granules.read import kept_files
from pileus.granules.record import GranuleFile, GranuleRecord
from pileus.messages import part, text, text_or_none
from pileus.project.registry import Registry
from pileus.runs.control import start_workflow
from pileus.runs.executions import arn_of, place_of
from pileus.runs.record import input_url, read_document
from pileus.subject import Execution
from pileus.tasks.cumulus_event import config_of, granules_of, listed_of, named, provider_of
from pileus.wiring import Edges

CONCURRENCY = 3
"""Executions that are started at once, where `config.concurrency` says nothing."""
Granule = Mapping[str, Any]


def queue(edges: Edges, workflows: Workflows, event: Mapping[str, Any]) -> dict[str, Any]:
    """Start `config.granuleIngestWorkflow` for the granules of `input`, and return `{"running": [ARN, ...]}`, with
    `pdr` where the input has one.

    `config`: `provider`, of which the id counts, for granules that name none; `preferredQueueBatchSize`, 1 if not
    given: granules of one execution, all of one collection and provider; `childWorkflowMeta`: added to the `meta` of
    each message; `executionNamePrefix`; `concurrency`. `queueUrl`, `stackName` and `internalBucket` are taken and
    change nothing: executions start at once.

    A step that is repeated in one execution starts nothing anew. Raises DocumentError, Unknown for a collection, a
    provider or a workflow that is not there, and UsageError for granules that are too large for one execution.
    """
    config, granules = config_of(event), granules_of(event)
    task = _Queue(edges, workflows, event, read_registry(edges.store, edges.stack))
    batches = list(_batches(granules, config.get("preferredQueueBatchSize")))
    wanted = config.get("concurrency")
    with ThreadPoolExecutor(wanted if isinstance(wanted, int) and 0 < wanted <= 64 else CONCURRENCY) as pool:
        running = list(pool.map(task.started, batches))
    pdr = part(event, "input").get("pdr")
    return {"running": running} | ({"pdr": pdr} if pdr else {})


def _batches(granules: Sequence[Granule], wanted: Any) -> Iterator[list[Granule]]:
    """Yield granules of one collection and one provider each, at most `wanted` at once."""
    size = wanted if isinstance(wanted, int) and not isinstance(wanted, bool) and wanted > 0 else 1
    groups: dict[tuple[str, str, str | None], list[Granule]] = {}
    for granule in granules:
        groups.setdefault((*named(granule), text_or_none(granule, "provider")), []).append(granule)
    for group in groups.values():
        yield from (group[start : start + size] for start in range(0, len(group), size))


@dataclass(frozen=True)
class _Queue:
    edges: Edges
    workflows: Workflows
    event: Mapping[str, Any]
    registry: Registry

    def started(self, batch: Sequence[Granule]) -> str:
        """Start the workflow for some granules, note that it works on them, and return the execution's ARN."""
        workflow = text(self.event, "config", "granuleIngestWorkflow")
        collection = self.registry.collection(*named(batch[0]))
        provider = self._provider(batch[0])
        subject = Execution(workflow, self._id(workflow, batch))
        document = self._document(subject, collection, provider, batch)
        try:
            run = start_workflow(self.edges, self.workflows, workflow, document, subject.id)
        except Conflict:  # this step is repeated, at another time
            there = read_document(self.edges, input_url(self.edges, subject))
            run = start_workflow(self.edges, self.workflows, workflow, there, subject.id)
        for granule in batch:
            self._note(run.key, collection, provider, granule)
        return arn_of(self.edges, subject, run.number)

    def _provider(self, granule: Granule) -> Provider:
        id = text_or_none(granule, "provider")
        told = self.event if id is None else {"config": {"provider": {"id": id}}}
        return provider_of(self.edges, self.registry, told)

    def _parent(self) -> str | None:
        """Return the ARN of the execution that this step is of; None where the event does not say."""
        told = self.event.get("cumulus_config")
        machine, name = text_or_none(told, "state_machine"), text_or_none(told, "execution_name")
        return execution_arn(machine, name) if machine and name else None

    def _id(self, workflow: str, batch: Sequence[Granule]) -> str:
        """Return the id of the run: the same for the same granules and wishes in the same execution."""
        told = json.dumps([self._parent(), workflow, self.event["config"], list(batch)], sort_keys=True)
        prefix = (text_or_none(self.event["config"], "executionNamePrefix") or "")[:20]
        digest = sha256(told.encode()).hexdigest()
        return f"{prefix}-{digest[:19]}" if prefix else digest[:32]

    def _document(
        self, subject: Execution, collection: Collection, provider: Provider, batch: Sequence[Granule]
    ) -> dict[str, Any]:
        now, parent = round(self.edges.now() * 1000), self._parent()
        meta, pdr = self.event["config"].get("childWorkflowMeta") or {}, self.event["input"].get("pdr")
        if not isinstance(meta, Mapping):
            raise DocumentError("expected an object", where="config.childWorkflowMeta")
        return cumulus_message(
            place_of(self.edges, subject),
            collection,
            provider,
            {"granules": [{"createdAt": now, **granule} for granule in batch]},
            meta=meta,
            told={"pdr": pdr} if pdr else {},
            cumulus_meta={"workflow_start_time": now} | ({"parentExecutionArn": parent} if parent else {}),
        )

    def _note(self, subject: str, collection: Collection, provider: Provider, granule: Granule) -> None:
        """Write down which run works on a granule, which keeps the files that it has."""
        name, version, id = collection.name, collection.version, granule["granuleId"]
        record.check_id(id)

        def step(before: GranuleRecord | None) -> GranuleRecord:
            if before is None:
                files = tuple(_file(provider, file) for file in granule["files"])
                return GranuleRecord(name, version, id, subject, files, self.edges.now())
            if before.subject == subject:
                return before  # the run was so quick that it has written what it made
            with suppress(NotFound):
                before = replace(before, files=kept_files(self.edges, before))
            return replace(before, subject=subject, updated=self.edges.now())

        record.change(self.edges, name, version, id, step)


def _file(provider: Provider, file: Mapping[str, Any]) -> GranuleFile:
    """Return a file of a granule as its record names it, while it is at its provider."""
    there = listed_of(provider, file)
    return GranuleFile(there.name, there.url, there.size, there.checksum, text_or_none(file, "type") or None)
