"""A result as an answer: in the form that Accept asks for, whole or in part."""

import re
from collections.abc import Iterator
from http import HTTPStatus
from itertools import chain

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException

from pileus.api.negotiate import chosen
from pileus.stratus.service import FORMS, NETCDF, Service

KINDS = {form.partition(";")[0]: form for form in FORMS} | {"application/x-netcdf": NETCDF}
"""Forms by the media types that Accept may name."""
CONTENT = {form: {"schema": {"type": "string", "format": "binary"}} for form in FORMS}
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


def answer(request: Request, graphs: Service, rid: str, name: str) -> StreamingResponse:
    """Return a result, NetCDF where Accept names no form. Of a `Range: bytes=A-B` only that part is sent; then the
    whole length is not told. Raises as `Service.result` does.
    """
    form = KINDS[chosen(request.headers.get("Accept", ""), list(KINDS))]
    pieces = graphs.result(rid, name, form)
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
