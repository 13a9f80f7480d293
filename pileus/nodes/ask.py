"""A person asks a service: local files go up, the request is followed to its end, and results come down."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from pileus.errors import DocumentError, UsageError
from pileus.near import unknown
from pileus.nodes.plan import plan_of
from pileus.nodes.settings import Settings
from pileus.nodes.wire import route_of
from pileus.stratus.capability import Capability
from pileus.stratus.graph import Graph
from pileus.stratus.picture import to_dot, to_svg
from pileus.stratus.request import StratusRequest
from pileus.stratus.service import GEOTIFF, JSON, NETCDF, PARQUET, Progress, Service

FORMS = {"netcdf": NETCDF, "parquet": PARQUET, "json": JSON, "geotiff": GEOTIFF}
"""Forms of results, by the names that a person gives them."""
ENDINGS = {NETCDF: ".nc", PARQUET: ".parquet", JSON: ".json", GEOTIFF: ".tif"}
PICTURES = {".svg": to_svg, ".dot": to_dot}


@contextmanager
def alone(settings: Settings) -> Iterator[Service]:
    """Lend a service over the nodes of some settings, in this process: whatever it has kept is gone after it.

    Every file of this machine can be an input: whoever asks could read it as well.
    """
    from pileus.nodes.folder import FolderService

    route = route_of(settings)
    try:
        with TemporaryDirectory(prefix="pileus-request-") as folder:
            service = FolderService(Path(folder), route, files=[Path("/")], at_once=1)
            try:
                yield service
            finally:
                service.close()
    finally:
        route.close()


def named(request: StratusRequest) -> StratusRequest:
    """Return a request with an id: its own, else a new one."""
    return request if request.rid else replace(request, rid=uuid4().hex)


def with_files(request: StratusRequest, service: Service) -> StratusRequest:
    """Return a request whose inputs `file:///PATH` are uploaded. Raises DocumentError for a file that cannot be read,
    and what uploading raises.
    """
    inputs = dict(request.inputs)
    for id, one in request.inputs.items():
        split = urlsplit(one.uri)
        if split.scheme != "file":
            continue
        try:
            with Path(unquote(split.path)).open("rb") as content:
                inputs[id] = replace(one, uri=service.upload(content))
        except OSError as exc:
            raise DocumentError(f"input {id}: cannot be read: {exc.strerror}", where=split.path) from exc
    return replace(request, inputs=inputs)


def followed(service: Service, begun: Progress, stopping: threading.Event) -> Iterator[Progress]:
    """Yield where a request stands, until it has ended or `stopping` is set: at first often, then every second."""
    now, pause = begun, 0.05
    yield now
    while not now.state.ended and not stopping.wait(pause):
        pause, now = min(1.0, pause * 1.3), service.find(begun.rid)
        yield now


def wave_of(graph: Graph, done: int) -> tuple[int, int]:
    """Return in which wave a request is of which so many operations have ended, and how many waves there are.

    >>> from pileus.stratus.graph import graph_of
    >>> chain = [{"name": "x:a", "result": "a"}, {"name": "x:b", "input": "a", "result": "b"}]
    >>> graph = graph_of(StratusRequest.from_json({"operation": chain}))
    >>> wave_of(graph, 0), wave_of(graph, 1), wave_of(graph, 2)
    ((1, 2), (2, 2), (2, 2))
    """
    ends = [*accumulate(map(len, graph.waves()))]
    return min(sum(end <= done for end in ends) + 1, len(ends)), len(ends)


def form_of(name: str | None, output: Path | None) -> str:
    """Return the form of results: as named, else by the ending of the file to write, else NetCDF."""
    if name is not None:
        if name not in FORMS:
            raise UsageError(unknown("form", name, FORMS))
        return FORMS[name]
    by_ending = {ending: form for form, ending in ENDINGS.items()}
    return by_ending.get(output.suffix, NETCDF) if output else NETCDF


def write_results(service: Service, ended: Progress, output: Path, form: str) -> list[Path]:
    """Write the results of a request: one into the file `output`, several into the folder `output`, each by its name.

    Return the files. Raises UsageError for what cannot be written, and what reading a result raises.
    """
    paths = {name: output / f"{name}{ENDINGS[form]}" for name in ended.outputs}
    if len(ended.outputs) == 1 and not output.is_dir():
        paths = {ended.outputs[0]: output}
    try:
        for name, path in paths.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f".{path.name}.part")
            with part.open("wb") as file:
                for piece in service.result(ended.rid, name, form):
                    file.write(piece)
            part.replace(path)
    except OSError as exc:
        raise UsageError(f"cannot be written: {exc.strerror}", where=str(output)) from exc
    return [*paths.values()]


def draw(graph: Graph, settings: Settings | None, path: Path) -> None:
    """Write the graph of a request as a picture. `settings`: whose nodes would do it; None: boxes of one colour.

    Raises UsageError for a name that ends with neither .svg nor .dot, and what asking the nodes raises.
    """
    if path.suffix not in PICTURES:
        raise UsageError(f"expected a name that ends with {' or '.join(PICTURES)}", where=str(path))
    text = PICTURES[path.suffix](graph, _assigned(graph, settings) if settings else {})
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise UsageError(f"cannot be written: {exc.strerror}", where=str(path)) from exc


def _assigned(graph: Graph, settings: Settings) -> Mapping[str, str]:
    route = route_of(settings)
    try:
        can: dict[str, tuple[Capability, ...]] = {name: node.capabilities() for name, node in route.nodes.items()}
        return plan_of(graph, can)[0]
    finally:
        route.close()
