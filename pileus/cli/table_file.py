"""The file or object that a command writes rows to: CSV or Parquet, by its ending."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pileus.cli import show
from pileus.cli.rasters import is_url
from pileus.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa


def writer(output: str | None) -> Callable[["pa.Table"], None] | None:
    """Return the function that writes the file or the object, or None. Raises UsageError for an unknown ending before
    anything is measured.
    """
    if output is None:
        return None
    if not output.lower().endswith((".csv", ".parquet")):
        raise UsageError("expected a name that ends in .csv or .parquet", where=output)
    if is_url(output) and not output.startswith("s3://"):
        raise UsageError("expected a file or s3://BUCKET/KEY", where=output)
    if not is_url(output) and not Path(output).parent.is_dir():
        raise UsageError("its folder does not exist", where=output)

    def write(table: "pa.Table") -> None:
        body = _content(table, output)
        if is_url(output):
            from pileus.edges.aws import Aws
            from pileus.edges.store import S3Store

            S3Store(Aws().s3).put(output, body)
        else:
            temporary = Path(output).with_name(f".{Path(output).name}.part")
            try:
                temporary.write_bytes(body)
                temporary.replace(output)
            finally:
                temporary.unlink(missing_ok=True)
        show.errors.print(f"{table.num_rows} rows in {output}", style="dim", markup=False, soft_wrap=True)

    return write


def _content(table: "pa.Table", name: str) -> bytes:
    import pyarrow.parquet

    from pileus.outputs.tables import to_csv

    if name.lower().endswith(".csv"):
        return to_csv(table)
    sink = io.BytesIO()
    pyarrow.parquet.write_table(table, sink, compression="zstd")
    return sink.getvalue()
