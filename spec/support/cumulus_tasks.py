"""Granules at a provider on the web, and a stack in a folder, for the tasks of Cumulus: each granule is a file of
data, a picture and a checksum file.
"""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from pileus.granules.record import GranuleFile, GranuleRecord, write
from pileus.wiring import Edges, wire_folder

IDS = ("g1", "g2", "g3")
DATA = r"^g\d\.hdf$"
BUCKETS = {"public": {"name": "open", "type": "public"}}
COLLECTION: dict[str, Any] = {
    "name": "MOD09GQ",
    "version": "006",
    "granuleIdExtraction": r"^(g\d)\.",
    "url_path": "mod/{granule.granuleId}",
    "files": [
        {"regex": DATA, "bucket": "protected", "type": "data", "url_path": "mod/{substring(file.fileName, 0, 1)}"},
        {"regex": r"^g\d\.jpg$", "bucket": "public", "type": "browse"},
        {"regex": r"^g\d\.hdf\.md5$", "bucket": "protected", "checksumFor": DATA},
    ],
}


def data(id: str) -> bytes:
    """Bytes of a granule's data: as many as its number tells, times ten."""
    return id[1].encode() * int(id[1]) * 10


def publish(folder: Path, *ids: str, body: bytes | None = None) -> None:
    """Write the files of granules as a provider has them."""
    folder.mkdir(parents=True, exist_ok=True)
    for id in ids or IDS:
        told = data(id) if body is None else body
        (folder / f"{id}.hdf").write_bytes(told)
        (folder / f"{id}.jpg").write_bytes(b"jpg")
        (folder / f"{id}.hdf.md5").write_text(f"{hashlib.md5(told).hexdigest()}  {id}.hdf\n")


def provider(port: int, **changes: Any) -> dict[str, Any]:
    return {"id": "site", "protocol": "http", "host": "127.0.0.1", "port": port, "attempts": 1} | changes


def registry(*providers: dict[str, Any]) -> bytes:
    named = {one["id"]: one for one in providers}
    return json.dumps({"collections": {"MOD09GQ___006": COLLECTION}, "providers": named, "rules": {}}).encode()


class Stack:
    """A stack in a folder, with one provider at a port."""

    def __init__(self, folder: Path, port: int = 9) -> None:
        edges = wire_folder(folder / "stack", {})
        self.edges: Edges = replace(edges, stack=replace(edges.stack, buckets=json.dumps(BUCKETS)))
        self.port = port
        self.populate(provider(port))

    def populate(self, *providers: dict[str, Any]) -> None:
        self.edges.store.put(self.edges.internal("registry.json"), registry(*providers))

    def known(self, id: str) -> None:
        """Write a record of a granule."""
        file = GranuleFile(f"{id}.hdf", f"http://127.0.0.1:{self.port}/{id}.hdf")
        write(self.edges, GranuleRecord("MOD09GQ", "006", id, "workflow:Ingest/x", (file,), 0))

    def put(self, url: str, body: bytes = b"old") -> None:
        self.edges.store.put(url, body)

    def keys(self, bucket: str) -> list[str]:
        """Keys of the files of granules in a bucket."""
        found = (url.removeprefix(f"s3://{bucket}/") for url, _ in self.edges.store.list(f"s3://{bucket}/"))
        return [key for key in found if not key.startswith(("granules/", "registry.json", "executions/"))]


CATCH = [{"ErrorEquals": ["States.ALL"], "Next": "WorkflowFailed", "ResultPath": "$.exception"}]
ENDS = {
    "WorkflowSucceeded": {"Type": "Succeed"},
    "WorkflowFailed": {"Type": "Fail", "CausePath": "$.exception.Cause", "ErrorPath": "$.exception.Error"},
}


def _step(task: str, then: str, **config: Any) -> dict[str, Any]:
    """A step as workflows of Cumulus have it."""
    return {
        "Type": "Task",
        "Resource": f"${{{task}_task_arn}}",
        "Parameters": {"cma": {"event.$": "$", "task_config": config}},
        "Retry": [{"ErrorEquals": ["Lambda.ServiceException"], "MaxAttempts": 2, "BackoffRate": 2}],
        "Catch": CATCH,
        "Next": then,
    }


SHARED = {"provider": "{$.meta.provider}", "collection": "{$.meta.collection}", "buckets": "{$.meta.buckets}"}
DISCOVER: dict[str, Any] = {
    "Comment": "Discover granules, and queue each",
    "StartAt": "DiscoverGranules",
    "States": {
        "DiscoverGranules": _step(
            "discover_granules",
            "QueueGranules",
            **SHARED,
            provider_path="{$.meta.provider_path}",
            duplicateGranuleHandling="{$.meta.granules}",
            useList=True,
        ),
        "QueueGranules": _step(
            "queue_granules",
            "WorkflowSucceeded",
            provider="{$.meta.provider}",
            queueUrl="{$.meta.queues.startSF}",
            internalBucket="{$.cumulus_meta.system_bucket}",
            stackName="{$.meta.stack}",
            granuleIngestWorkflow="{$.meta.template}",
            childWorkflowMeta={"handling": "{$.meta.handling}"},
        ),
        **ENDS,
    },
}
INGEST: dict[str, Any] = {
    "Comment": "Stage the files of a granule, and move them",
    "StartAt": "SyncGranule",
    "States": {
        "SyncGranule": _step(
            "sync_granule",
            "MoveGranules",
            **SHARED,
            stack="{$.meta.stack}",
            downloadBucket="{$.cumulus_meta.system_bucket}",
            duplicateHandling="{$.meta.handling}",
            cumulus_message={
                "outputs": [
                    {"source": "{$.granules}", "destination": "{$.meta.input_granules}"},
                    {"source": "{$}", "destination": "{$.payload}"},
                ]
            },
        ),
        "MoveGranules": _step(
            "move_granules",
            "WorkflowSucceeded",
            bucket="{$.cumulus_meta.system_bucket}",
            buckets="{$.meta.buckets}",
            collection="{$.meta.collection}",
            distribution_endpoint="https://data.example.org/",
            duplicateHandling="{$.meta.handling}",
        ),
        **ENDS,
    },
}


def message(edges: Edges, **meta: Any) -> dict[str, Any]:
    """The message that starts the discovery."""
    stack = edges.stack
    return {
        "cumulus_meta": {
            "system_bucket": stack.internal,
            "execution_name": "as in the file of whoever starts it",
            "state_machine": stack.workflow_arn("DiscoverGranules"),
        },
        "meta": {
            "stack": stack.stack,
            "buckets": stack.bucket_map,
            "collection": COLLECTION,
            "provider": {"id": "site"},
            "provider_path": "a",
            "queues": {"startSF": "https://sqs.example.org/1/start"},
            "template": "IngestGranule",
            **meta,
        },
        "payload": {},
        "exception": None,
    }
