"""pygeoapi as the registry carries it, in an environment of its own: somebody else's server of OGC API - Processes."""

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from spec.support.broker import wait_for
from spec.support.cache import made_once
from spec.support.zeromq import free_ports

WANTED = (
    "pygeoapi==0.21.0",
    "dateparser==1.5.0",
    "filelock==4.3.1",
    "lark==1.3.1",
    "pygeofilter==0.4.0",
    "pygeoif==1.6.0",
    "pytz==2026.6",
    "tinydb==4.8.2",
)
"""What the environment of the specs has not."""
PROCESSES = '''"""Processes: one of numbers, one of a grid, one that waits."""
import base64
import io
import time

import xarray
from pygeoapi.process.base import BaseProcessor, ProcessorExecuteError


def described(id, inputs, outputs):
    jobs = ["sync-execute", "async-execute"]
    return {"version": "1.0.0", "id": id, "title": id, "description": id, "jobControlOptions": jobs, "keywords": [],
            "links": [], "inputs": inputs, "outputs": outputs, "example": {}}


def number(must=1):
    return {"title": "a number", "schema": {"type": "number"}, "minOccurs": must, "maxOccurs": 1}


GRID = {"type": "string", "contentEncoding": "binary", "contentMediaType": "application/x-netcdf"}


class Sum(BaseProcessor):
    def __init__(self, definition):
        outputs = {"sum": {"title": "sum", "schema": {"type": "number"}}}
        super().__init__(definition, described("my.sum", {"a": number(), "b": number(0)}, outputs))

    def execute(self, data, outputs=None):
        if data["a"] < 0:
            raise ProcessorExecuteError("a: expected a number from 0")
        return "application/json", {"id": "sum", "value": data["a"] + data.get("b", 0)}


class Scale(BaseProcessor):
    def __init__(self, definition):
        inputs = {"grid": {"title": "grid", "schema": GRID, "minOccurs": 1, "maxOccurs": 1}, "factor": number()}
        super().__init__(definition, described("scale-grid", inputs, {"scaled": {"title": "scaled", "schema": GRID}}))

    def execute(self, data, outputs=None):
        grid = xarray.load_dataset(io.BytesIO(base64.b64decode(data["grid"]["value"])), engine="h5netcdf")
        return "application/x-netcdf", bytes((grid * data["factor"]).to_netcdf(engine="h5netcdf"))


class Wait(BaseProcessor):
    def __init__(self, definition):
        super().__init__(definition, described("wait", {"seconds": number()}, {"w": {"schema": {"type": "number"}}}))

    def execute(self, data, outputs=None):
        time.sleep(data["seconds"])
        return "application/json", {"id": "w", "value": 1}
'''
RUN = "from pygeoapi.flask_app import APP; APP.run(port={port}, threaded=True)"


def pygeoapi_site() -> Path:
    """The folder of an environment with pygeoapi, made once."""
    return made_once("pygeoapi", [*WANTED, sys.version, sysconfig.get_path("purelib")], _make)


def _make(folder: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", f"--target={folder}"]
    subprocess.run([*pip, *WANTED], check=True, timeout=240)


def _settings(folder: Path, port: int) -> dict[str, object]:
    named = {"my.sum": "Sum", "scale-grid": "Scale", "wait": "Wait"}
    resources = {id: {"type": "process", "processor": {"name": f"spec_processes.{name}"}} for id, name in named.items()}
    who = {"title": "spec", "description": "spec", "url": "https://example.org", "keywords": [], "name": "spec"}
    kept = {"name": "TinyDB", "connection": str(folder / "jobs.db"), "output_dir": str(folder)}
    server = {
        "bind": {"host": "127.0.0.1", "port": port},
        "url": f"http://127.0.0.1:{port}",
        "mimetype": "application/json; charset=UTF-8",
        "encoding": "utf-8",
        "languages": ["en"],
        "limits": {"default_items": 10, "max_items": 10},
        "map": {"url": "https://example.org/{z}", "attribution": "none"},
        "manager": kept,
        "admin": False,
        "gzip": False,
        "pretty_print": False,
    }
    metadata = {
        "identification": who | {"keywords_type": "theme", "terms_of_service": "none"},
        "license": who,
        "provider": who,
        "contact": who,
    }
    return {"server": server, "logging": {"level": "ERROR"}, "metadata": metadata, "resources": resources}


@contextmanager
def pygeoapi(folder: Path) -> Iterator[str]:
    """The address of a server with the processes `my.sum`, `scale-grid` and `wait`; it is stopped at the end."""
    (port,) = free_ports(1)
    settings, openapi = folder / "pygeoapi.json", folder / "openapi.json"
    settings.write_text(json.dumps(_settings(folder, port)))
    openapi.write_text("{}")
    (folder / "spec_processes.py").write_text(PROCESSES)
    environ = os.environ | {
        "PYGEOAPI_CONFIG": str(settings),
        "PYGEOAPI_OPENAPI": str(openapi),
        "PYTHONPATH": os.pathsep.join([str(folder), str(pygeoapi_site())]),
    }
    command = [sys.executable, "-c", RUN.format(port=port)]
    with (folder / "pygeoapi.log").open("w") as log:
        process = subprocess.Popen(command, env=environ, cwd=folder, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert process.poll() is None, (folder / "pygeoapi.log").read_text()
        try:
            return requests.get(f"{url}/processes?f=json", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    try:
        wait_for(answers, 60)
        yield url
    finally:
        process.terminate()
        process.wait(20)
