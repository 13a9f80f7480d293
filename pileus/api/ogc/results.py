"""The results of a job, as its request wanted them."""

import base64
import json
from http import HTTPStatus
from typing import Any

from fastapi import Response
from fastapi.responses import StreamingResponse

from pileus.api.ogc import errors
from pileus.api.ogc.told import JSON, STATUS, TEXTS, Told
from pileus.api.stratus.result import KINDS as FORMS_BY_KIND
from pileus.api.tables import KINDS
from pileus.client.local.jobs import LocalJobs, OutputForm, Wanted
from pileus.processes import process_of
from pileus.runs import Run


def results(jobs: LocalJobs, run: Run, told: Told) -> Response:
    """Return the results of a job. Raises OgcException where there are none.

    response   output      answer
    raw        value       the output itself, in its media type
    raw        reference   204, with a Link header
    document   either      a JSON object with a value or a link by name of output
    """
    check(run)
    wanted = jobs.wanted(run)
    if wanted.response == "raw" and len(wanted.outputs) == 1:
        ((name, form),) = wanted.outputs.items()
        if form.by_reference:
            link = told.output_link(run, name, form.media_type)
            header = f'<{link["href"]}>; rel="{name}"; type="{form.media_type}"'
            return Response(status_code=HTTPStatus.NO_CONTENT, headers={"Link": header})
        return output(jobs, run, name, form.media_type)
    return _document(jobs, run, told, wanted)


def output(jobs: LocalJobs, run: Run, name: str, media_type: str) -> Response:
    """Return an output of a job in a media type. Raises OgcException where there is none."""
    check(run)
    known = process_of(str(run.process)).outputs[name]
    if media_type in known.forms:
        form = FORMS_BY_KIND[media_type]
        return StreamingResponse(jobs.data_set(run, form), media_type=form)
    if not known.is_rows:
        return Response(json.dumps(jobs.part(run, name)), media_type=JSON)
    return Response(KINDS[media_type](jobs.rows(run)), media_type=media_type)


def check(run: Run) -> None:
    """Raise OgcException for a job that has no results."""
    if run.failure:
        raise errors.failed(run.failure)
    if STATUS[run.state] == "dismissed":
        raise errors.dismissed(run.reason)
    if STATUS[run.state] != "successful":
        raise errors.not_ready(STATUS[run.state])


def _document(jobs: LocalJobs, run: Run, told: Told, wanted: Wanted) -> Response:
    made = {name: _member(jobs, told, run, name, form) for name, form in wanted.outputs.items()}
    return Response(json.dumps(made, separators=(",", ":"), ensure_ascii=False), media_type=JSON)


def _member(jobs: LocalJobs, told: Told, run: Run, name: str, form: OutputForm) -> dict[str, Any]:
    if form.by_reference:
        return told.output_link(run, name, form.media_type)
    body = bytes(output(jobs, run, name, form.media_type).body)
    if form.media_type == JSON:
        return {"value": json.loads(body), "mediaType": JSON}
    if form.media_type in TEXTS:
        return {"value": body.decode(), "mediaType": form.media_type}
    return {"value": base64.b64encode(body).decode(), "mediaType": form.media_type, "encoding": "base64"}
