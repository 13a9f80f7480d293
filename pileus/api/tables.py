"""Rows as the kind of content that is asked for."""

import io
from collections.abc import Callable
from typing import Any

import pyarrow as pa
from fastapi import Request, Response

from pileus.api.negotiate import chosen
from pileus.strict_json import plain_json

ARROW, PARQUET = "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"


def _arrow(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _json(table: pa.Table) -> bytes:
    return plain_json(table.to_pylist(), default=str, ensure_ascii=False).encode()


def _exported(form: str) -> Callable[[pa.Table], bytes]:
    def written(table: pa.Table) -> bytes:
        from pileus.outputs.export import export  # GDAL is heavy, and the app should start at once

        return export(table, form)

    return written


KINDS: dict[str, Callable[[pa.Table], bytes]] = {
    "application/json": _json,
    "text/csv": _exported("csv"),
    ARROW: _arrow,
    PARQUET: _exported("parquet"),
}
CONTENT: dict[str, Any] = {kind: {} for kind in KINDS}


def answer(request: Request, table: pa.Table) -> Response:
    """Return rows as JSON, CSV, an Arrow stream or Parquet, by Accept."""
    kind = chosen(request.headers.get("Accept", ""), list(KINDS))
    return Response(KINDS[kind](table), media_type=kind, headers={"Vary": "Accept"})
