"""The page about the HTTP API is true: its shell blocks and its Python run in order, beside the sample's stack."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pileus.api.app import create_app
from spec.stack.tutorial_spec import Reader, reader
from spec.support.api import folder_services
from spec.support.stack import ROOT

__all__ = ["reader"]

PAGE = (ROOT / "docs/how-to/api.md").read_text()
BLOCK = re.compile(r"^```(shell|python)\n(.*?)^```\n", re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def up(reader: Reader) -> Iterator[Reader]:
    """The project of the sample with a stack that is up."""
    for line in ("pileus init .", "pileus up --detach", "pileus populate"):
        done = reader.run(line)
        assert done.returncode == 0, done.stderr
    yield reader
    reader.run("test -f serve.pid && kill $(cat serve.pid)")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed here")
def test_every_block_of_the_page_runs(up: Reader) -> None:
    for kind, code in BLOCK.findall(PAGE):
        if kind == "shell":
            done = up.run(code)
        else:
            done = subprocess.run(
                [sys.executable, "-c", code],
                cwd=up.folder,
                env=up.environ,
                capture_output=True,
                text=True,
                timeout=240,
                check=False,
            )
        assert done.returncode == 0, f"{code}\n{done.stdout}{done.stderr}"
        if "serve.pid" in code and "kill" not in code:
            wait(up)


def wait(up: Reader) -> None:
    """The server answers within seconds of its start."""
    tries = "for n in $(seq 60); do curl -sf http://127.0.0.1:8766/health && exit 0; sleep 0.5; done; exit 1"
    assert up.run(tries).returncode == 0


def openapi() -> dict[str, Any]:
    """The paths of the API's own document."""
    app = create_app(folder_services(None, Path()), None)  # type: ignore[arg-type]
    return dict(app.openapi()["paths"])


def test_every_path_that_the_page_names_is_in_the_openapi_document() -> None:
    """The page does not speak of what is not there."""
    paths = openapi()
    known = {re.sub(r"\{[^}]*\}", "X", path) for path in paths}
    for path in re.findall(r"`(?:GET|POST|PUT) (/v1/[^`?]*)", PAGE):
        assert re.sub(r"\b[A-Z]{2,}\b", "X", path) in known, path


def test_every_operation_of_the_document_is_on_the_page() -> None:
    """And leaves nothing out."""
    paths = openapi()
    first = {"/".join(path.split("/")[:3]) for path in paths if path.startswith("/v1/")}
    assert {one for one in first if one not in PAGE} == set()
