"""What the standard's documents tell: landing page, processes, jobs."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from urllib.parse import urlencode

from pileus.api.ogc.operations import OperationProcess
from pileus.api.openapi30 import schema30
from pileus.api.tables import KINDS
from pileus.client.local.jobs import job_id
from pileus.models import State
from pileus.processes import RegisteredProcess, Result, process_of
from pileus.runs import Run

CONF = "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf"
CONFORMS = tuple(
    f"{CONF}/{name}" for name in ("core", "ogc-process-description", "json", "oas30", "job-list", "dismiss")
)
REL = "http://www.opengis.net/def/rel/ogc/1.0"
JSON = "application/json"
OPENAPI = "application/vnd.oai.openapi+json;version=3.0"
STATUS: Mapping[State, str] = {
    State.planned: "accepted",
    State.waiting: "accepted",
    State.queued: "accepted",
    State.running: "running",
    State.succeeded: "successful",
    State.skipped: "successful",
    State.failed: "failed",
    State.cancelled: "dismissed",
}
TEXTS = ("text/csv",)
"""Media types of rows that are text; the others but JSON are bytes."""
Json = dict[str, Any]
Described = RegisteredProcess | OperationProcess


class Told:
    """Writes documents with the links of an API whose addresses begin with `base`, as https://host."""

    def __init__(self, base: str) -> None:
        self.base = base

    def landing(self) -> Json:
        """Return the landing page."""
        return {
            "title": "Pileus",
            "description": "Zonal statistics of satellite archives: processes that measure your zones, and what "
            "backfills have measured.",
            "links": [
                self._link("self", "/", title="This document"),
                self._link("service-desc", "/openapi-3.0.json", OPENAPI, title="The processes' API, as OpenAPI 3.0"),
                self._link("service-desc", "/api", title="The whole API, as OpenAPI 3.1"),
                self._link(f"{REL}/conformance", "/conformance"),
                self._link("conformance", "/conformance"),
                self._link(f"{REL}/processes", "/processes"),
                self._link("processes", "/processes"),
                self._link(f"{REL}/job-list", "/jobs"),
                self._link("data", "/stac", title="STAC API of the outputs"),
                self._link("service", "/app/", "text/html", title="The page"),
            ],
        }

    def processes(self, some: Sequence[Described], limit: int | None, more: bool) -> Json:
        """Return the list of processes. It has few, which fit into one page unless a smaller one is asked for."""
        query = f"?{urlencode({'limit': limit})}" if limit else ""
        links = [self._link("self", f"/processes{query}"), self._link("alternate", f"/processes{query}")]
        links += [self._link("next", f"/processes?{urlencode({'after': some[-1].id, 'limit': limit})}")] if more else []
        return {"processes": list(map(self.summary, some)), "links": links}

    def summary(self, process: Described) -> Json:
        """Return what the list tells of a process."""
        at = f"/processes/{process.id}"
        return {
            "id": process.id,
            "title": process.title,
            "description": process.description,
            "version": process.version,
            "jobControlOptions": ["sync-execute", "async-execute", "dismiss"],
            "outputTransmission": ["value", "reference"],
            "links": [
                self._link("self", at, title="Its inputs and outputs"),
                self._link(f"{REL}/execute", f"{at}/execution", title="Execute it"),
                self._link(f"{REL}/job-list", f"/jobs?processID={jobs_of(process).id}", title="Its jobs"),
            ],
        }

    def process(self, process: Described) -> Json:
        """Return the description of a process."""
        inputs = process.told_inputs() if isinstance(process, OperationProcess) else inputs_of(process.id)
        return self.summary(process) | {"inputs": inputs, "outputs": outputs_of(process)}

    def jobs(self, some: Sequence[Run], asked: Mapping[str, str], next: str | None) -> Json:
        """Return a page of jobs. `asked`: the query parameters of this one."""
        query = f"?{urlencode(asked)}" if asked else ""
        links = [self._link("self", f"/jobs{query}")]
        links += [self._link("next", f"/jobs?{urlencode({**asked, 'cursor': next})}")] if next else []
        return {"jobs": list(map(self.job, some)), "links": links}

    def job(self, run: Run) -> Json:
        """Return the status of a job."""
        status, at = STATUS[run.state], f"/jobs/{job_id(run)}"
        links = [self._link("self", at), self._link("monitor", at), self._link("up", "/jobs")]
        if status == "successful":
            links.append(self._link(f"{REL}/results", f"{at}/results"))
        if status == "failed":
            links.append(self._link(f"{REL}/exceptions", f"{at}/results"))
        moments = {"created": run.created, "started": run.started, "finished": run.ended, "updated": run.updated}
        progress = {"accepted": 0, "successful": 100}.get(status)
        return {
            "processID": run.process,
            "type": "process",
            "jobID": job_id(run),
            "status": status,
            "message": str(run.failure) if run.failure else run.reason,
            **{name: moment for name, moment in moments.items() if moment},
            **({"progress": progress} if progress is not None else {}),
            "links": links,
        }

    def job_address(self, run: Run) -> str:
        """Return the address of a job."""
        return f"{self.base}/jobs/{job_id(run)}"

    def output_link(self, run: Run, name: str, media_type: str) -> Json:
        """Return the link to one output of a job."""
        query = urlencode({"f": media_type})
        return self._link(name, f"/jobs/{job_id(run)}/results/{name}?{query}", media_type)

    def _link(self, rel: str, path: str, type: str = JSON, title: str | None = None) -> Json:
        return {"rel": rel, "href": f"{self.base}{path}", "type": type, **({"title": title} if title else {})}


def jobs_of(process: Described) -> RegisteredProcess:
    """Return the process that the jobs of a process are of."""
    return process.process if isinstance(process, OperationProcess) else process


@cache
def inputs_of(id: str) -> Json:
    """Return the descriptions of a process's inputs. They are read from the source of its model, once."""
    from pileus.project.schemas import input_schema

    whole = input_schema(process_of(id))
    required, told = whole.get("required", ()), {}
    for name, schema in whole["properties"].items():
        told[name] = {
            "title": name,
            "description": schema.get("description", ""),
            "minOccurs": int(name in required),
            "maxOccurs": 1,
            "schema": schema30(schema, whole.get("$defs", {}), content=True),
        }
    return told


def outputs_of(process: Described) -> Json:
    """Return the descriptions of a process's outputs, in each media type that they can be had in."""
    return {
        name: {"title": output.title, "description": output.description, "schema": _schema(output)}
        for name, output in process.outputs.items()
    }


def _schema(output: Result) -> Json:
    if output.is_rows:
        return {"oneOf": [_kind(kind) for kind in KINDS]}
    document = {"type": "object", "contentMediaType": JSON}
    return {"oneOf": [document, *(_kind(form) for form in output.forms)]} if output.forms else document


def _kind(media_type: str) -> Json:
    if media_type == JSON:
        return {"type": "array", "items": {"type": "object"}, "contentMediaType": JSON}
    if media_type in TEXTS:
        return {"type": "string", "contentMediaType": media_type}
    return {"type": "string", "format": "byte", "contentEncoding": "base64", "contentMediaType": media_type}
