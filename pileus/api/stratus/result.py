"""A result as an answer: in the form that Accept asks for, whole or in part."""

import re
from collections.abc import Iterator
from http import HTTPStatus
from itertools import chain

from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException

from pileus.api.negotiate import chosen
from pileus.api.problems import problem, status_of
from pileus.errors import PileusError
from pileus.models import State
from pileus.stratus.service import FORMS, NETCDF, Service

KINDS = {form.partition(";")[0]: form for form in FORMS} | {"application/x-netcdf": NETCDF}
"""Forms by the media types that Accept may name."""
CONTENT = {form: {"schema": {"type": "string", "format": "binary"}} for form in FORMS}
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


def answer(request: Request, graphs: Service, rid: str, name: str) -> Response:
    """Return a result, NetCDF where Accept names no form. Of a `Range: bytes=A-B` only that part is sent; then the
    whole length is not told. Raises as `Service.result` does.

    What a request failed for is a conflict where it is no fault of the asker: this server and its stack are well.
    """
    form = KINDS[chosen(request.headers.get("Accept", ""), list(KINDS))]
    try:
        pieces = graphs.result(rid, name, form)
    except PileusError as error:
        if status_of(error) < HTTPStatus.INTERNAL_SERVER_ERROR or graphs.find(rid).state is not State.failed:
            raise
        where = {"where": error.where} if error.where else {}
        return problem(HTTPStatus.CONFLICT, type(error).__name__, error.message, **where)
    headers = {"Vary": "Accept", "Accept-Ranges": "bytes"}
    asked = _RANGE.fullmatch(request.headers.get("Range", "").replace(" ", ""))
    if not asked or (asked[2] and int(asked[2]) < int(asked[1])):
        return StreamingResponse(pieces, media_type=form, headers=headers)
    start, end = int(asked[1]), int(asked[2]) + 1 if asked[2] else None
    part = between(pieces, start, end)
    first = next(part, b"")
    if not first:
        raise HTTPException(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "the result ends before that byte")
    body = first + b"".join(part)
    headers["Content-Range"] = f"bytes {start}-{start + len(body) - 1}/*"
    return StreamingResponse(chain([body]), HTTPStatus.PARTIAL_CONTENT, media_type=form, headers=headers)


def between(pieces: Iterator[bytes], start: int, end: int | None) -> Iterator[bytes]:
    """Yield the bytes from `start` up to `end`, which is not included; None: to the last.

    >>> b"".join(between(iter([b"abc", b"def", b"ghi"]), 2, 7))
    b'cdefg'
    """
    at = 0
    for piece in pieces:
        if end is not None and at >= end:
            return
        part = piece[max(0, start - at) : len(piece) if end is None else max(0, end - at)]
        at += len(piece)
        if part:
            yield part
