"""gippy as a worker runs it: a process of its own Python, confined as a cell's child is, and what it answers.

It has the rasters that reading a group left on the scratch volume (`pileus.outputs.gippy_rasters`), and nothing else.
"""

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pileus.cell.confine import Limits
from pileus.documents import Process
from pileus.documents.engine import RUN, STATISTICS
from pileus.errors import RasterError, UsageError
from pileus.names import one_line
from pileus.outputs.gippy_rasters import FOLDER, paths_of
from pileus.stopping import Check
from pileus.zonal import Measured, Source, Zones
from pileus.zonal.columns import statistics
from pileus.zonal.kernel import ANCHOR, COUNT, HIGH, LOW, M2, M3, WEIGHT, empty, merge
from pileus.zonal.measure import CLASSIC

HOME = Path("/opt/gippy")
"""Where the image `pileus-gippy` has gippy."""
KEPT = ("PATH", "HOME", "LANG")
"""Variables of the worker that gippy's process has too."""
LONGEST = 400
"""Most bytes of one answer."""
Rows = dict[tuple[int, int, int], tuple[float, ...]]
"""gippy's numbers, in the order of `CLASSIC`, by the numbers of source, band and zone."""


def check_engine(process: Process) -> None:
    """Raise UsageError where a collection asks for gippy, and this worker does not have it."""
    if process.engine == "gippy" and not (HOME / "task.py").exists():
        raise UsageError(f"meta.process.engine is gippy, which this worker does not have: {RUN}")


def measured_by_gippy(
    measured: Measured,
    sources: Sequence[Source],
    process: Process,
    zones: Zones,
    *,
    scratch: Path,
    check: Check,
    limits: Limits | None,
) -> Measured:
    """Return the statistics of a group that has been read, with gippy's numbers. Those of other engines stay.

    `limits`: None where nothing is confined. Raises RasterError when gippy ends badly, UsageError where there is none,
    and what `check` raises.
    """
    if process.engine != "gippy":
        return measured
    check_engine(process)
    started = time.perf_counter()
    rows = _numbers(_run(_job(sources, process, scratch, limits), scratch, check), sources, process, zones)
    took = measured.seconds | {"measure": measured.seconds["measure"] + time.perf_counter() - started}
    tables = {"table": _table(rows, process, zones), "by_tile": _by_tile(rows, sources, process, zones)}
    return replace(measured, engine="gippy", seconds=took, **tables)


def _job(sources: Sequence[Source], process: Process, scratch: Path, limits: Limits | None) -> dict[str, Any]:
    rasters = [
        {"number": [source, band], "raster": str(raster), "zones": str(zones)}
        for source in range(len(sources))
        for band in range(len(process.bands))
        for raster, zones in [paths_of(scratch, source, band)]
        if raster.is_file() and zones.is_file()
    ]
    return {"rasters": rasters, "scratch": str(scratch / FOLDER), "limits": asdict(limits) if limits else None}


def _run(job: Mapping[str, Any], scratch: Path, check: Check) -> Iterator[bytes]:
    """Have gippy do a job, and yield the lines of its answer."""
    code = str(Path(__file__).resolve().parents[2])
    environ = {name: os.environ[name] for name in KEPT if name in os.environ}
    with (
        tempfile.TemporaryFile(dir=scratch) as told,
        tempfile.TemporaryFile(dir=scratch) as answer,
        tempfile.TemporaryFile(dir=scratch) as errors,
    ):
        told.write(json.dumps(dict(job) | {"parent": os.getpid()}).encode())
        told.seek(0)
        process = subprocess.Popen(
            [str(HOME / "bin/python"), "-P", str(HOME / "task.py"), "--job"],
            env=environ | {"PYTHONPATH": code, "TMPDIR": job["scratch"]},
            stdin=told,
            stdout=answer,
            stderr=errors,
        )
        try:
            _wait(process, check)
        finally:
            process.kill()
            process.wait()
        if process.returncode:
            raise RasterError(f"cannot be measured: gippy {_end(process.returncode, errors)}")
        answer.seek(0)
        while line := answer.readline(LONGEST + 1):
            yield line


def _wait(process: "subprocess.Popen[bytes]", check: Check) -> None:
    while process.poll() is None:
        check()
        try:
            process.wait(0.1)
        except subprocess.TimeoutExpired:
            continue


def _end(status: int, errors: IO[bytes]) -> str:
    """Return how gippy ended, with the last line that it said."""
    errors.seek(max(errors.seek(0, os.SEEK_END) - 2000, 0))
    lines = errors.read().decode(errors="replace").strip().splitlines()
    said = f": {one_line(lines[-1], 300)}" if lines else ""
    return (f"crashed ({signal.Signals(-status).name})" if status < 0 else f"ended with status {status}") + said


def _numbers(lines: Iterator[bytes], sources: Sequence[Source], process: Process, zones: Zones) -> Rows:
    """Return what gippy told. Raises RasterError for what it was not asked."""
    sizes, rows = (len(sources), len(process.bands), len(zones)), {}
    for line in lines:
        try:
            source, band, zone, *values = json.loads(line)
            key, numbers = (source, band, zone), tuple(map(float, values))
        except (ValueError, TypeError, RecursionError) as exc:
            raise RasterError("cannot be measured: gippy answered with a malformed line") from exc
        known = all(type(one) is int and 0 <= one < size for one, size in zip(key, sizes, strict=True))
        if not known or key in rows or len(numbers) != len(CLASSIC):
            raise RasterError("cannot be measured: gippy answered with what was not asked for")
        rows[key] = numbers
    return rows


def _by_tile(rows: Rows, sources: Sequence[Source], process: Process, zones: Zones) -> pa.Table:
    """Return a row for each source, band and zone that gippy found a pixel of, with its numbers as they are."""
    order = sorted(rows, key=lambda key: (sources[key[0]].name, process.bands[key[1]], key[2]))
    names: dict[str, list[str]] = {
        "tile": [sources[source].tile or sources[source].name for source, _, _ in order],
        "zone": [zones.ids[zone] for _, _, zone in order],
        "zone_name": [zones.names[zone] for _, _, zone in order],
        "band": [process.bands[band] for _, band, _ in order],
    }
    columns = {name: pa.array(values, pa.string()) for name, values in names.items()}
    numbers = np.array([rows[key] for key in order]).reshape(-1, len(CLASSIC))
    return pa.table(columns | {name: pa.array(numbers[:, at], pa.float64()) for at, name in enumerate(CLASSIC)})


def _table(rows: Rows, process: Process, zones: Zones) -> pa.Table:
    """Return a row for each band and zone: the moments of its tiles, joined."""
    count, parts = len(zones), []
    for band in range(len(process.bands)):
        acc = empty(count)
        for key in sorted(rows):
            if key[1] == band:
                merge(acc, _moments(dict(zip(CLASSIC, rows[key], strict=True))), np.array([key[2]], np.int64))
        columns = statistics(acc, np.zeros((count, 2)), np.zeros(count), {}, STATISTICS)
        names = {"zone": zones.ids, "zone_name": zones.names, "band": [process.bands[band]] * count}
        every = {name: pa.array(values, pa.string()) for name, values in names.items()}
        parts.append(pa.table(every | {name: columns[name] for name in process.stats}))
    return pa.concat_tables(parts)


def _moments(numbers: Mapping[str, float]) -> NDArray[np.float64]:
    """Return gippy's numbers of one zone on one tile as an accumulator."""
    acc, weight, spread = empty(1), numbers["count"], numbers["stddev"]
    acc[0, [COUNT, WEIGHT, ANCHOR]] = weight, weight, numbers["mean"]
    acc[0, [LOW, HIGH]] = numbers["min"], numbers["max"]
    acc[0, M2] = weight * spread**2
    acc[0, M3] = weight * spread**3 * numbers["skew"] if spread > 0 else 0
    return acc
