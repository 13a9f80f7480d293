"""The worker's image as the Lambda of the API: its own Python, as another user, with a root that cannot be written."""

import json
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from infra.api import COSTED
from infra.settings import Settings
from infra.tasks import APP
from spec.support import tiny
from spec.support.engine import docker, engine, image
from spec.support.http_api import HOST, NIGHT, Answered, answered, event
from spec.support.issuer import GROUPS, ISSUER, RSA, key_server, token
from spec.support.lambda_runtime import Function, running
from spec.support.stack import Project

__all__ = ["engine", "image"]

HANDLER = "pileus.api.lambda_handler.handler"
GIVEN = ("AWS_", "PILEUS_", "TMPDIR", "NUMBA_CACHE_DIR", "REQUESTS_CA_BUNDLE")
MEMORY = "2048m"
"""The default of the settings."""


@pytest.fixture
def function(stack: Project, image: str, tmp_path: Path) -> Iterator[Function]:
    """A container with what Lambda gives it."""
    name = f"pileus-spec-api-{uuid.uuid4().hex[:8]}"

    def command(environ: Mapping[str, str]) -> Sequence[str]:
        passed = [f"--env={key}={value}" for key, value in environ.items() if key.startswith(GIVEN)]
        bounds = ["--read-only", "--tmpfs=/tmp", "--user=993:990", f"--memory={MEMORY}", "--cap-drop=ALL"]
        where = ["--network=host", f"--workdir={APP}", f"--volume={tmp_path}/issuer.pem:/issuer.pem:ro"]
        run = ["docker", "run", "--rm", f"--name={name}", *bounds, *where, *passed, image]
        return [*run, "python", "-m", "awslambdaric", HANDLER]

    with key_server(RSA, certificate=tmp_path / "issuer.pem") as served:
        sign_in = {"issuer": ISSUER, "audience": ["client"], "groups": GROUPS, "keys": served.url}
        environ = stack.running.stack | stack.running.credentials.to_env()
        environ |= {
            "AWS_ENDPOINT_URL": stack.running.endpoint,
            "PILEUS_API_HOSTS": HOST,
            "PILEUS_SIGN_IN": json.dumps(sign_in),
            "PILEUS_DEPLOYMENT": json.dumps({name: getattr(Settings(), name) for name in COSTED}),
            "PILEUS_SCRATCH": "/tmp",
            "TMPDIR": "/tmp",
            "NUMBA_CACHE_DIR": "/tmp/.kernels",
            "REQUESTS_CA_BUNDLE": "/issuer.pem",
        }
        try:
            with running("pileus-Api", command, environ, tmp_path / "log") as found:
                yield found
        finally:
            subprocess.run(["docker", "rm", "--force", name], capture_output=True)


def test_the_image_answers_as_the_api(stack: Project, function: Function) -> None:
    """Sign-in, the prices, and zones, which take the whole of GDAL."""

    def ask(path: str, **more: Any) -> Answered:
        return answered(function(event(path, **more)))

    assert ask("/health").json["status"] == "ok"
    assert ask("/v1/me").status == 401
    now = int(time.time())
    assert ask("/v1/me", token=token("operators", iat=now, exp=now + 300)).json == {"name": "anna", "role": "operate"}
    assert ask("/signed/read/v1/backfills", signed=NIGHT).json["items"] == []
    zones = json.dumps(tiny.ZONE).encode()
    kept = ask("/signed/admin/v1/zones/tiny.geojson", method="PUT", signed=NIGHT, body=zones)
    assert (kept.status, kept.json["zones"]) == (200, 1)
    tiny.collection(stack, "tiny", "201501", "201503")
    stack.pileus("populate")
    assert ask("/signed/read/v1/costs/tiny", signed=NIGHT).json["dollars"] > 0
    assert ask("/app/").body.startswith(b"<!"), "the page is in the image too"
    assert docker("ps", "--quiet", "--filter", "name=pileus-spec-api"), "it is the container that has answered"
