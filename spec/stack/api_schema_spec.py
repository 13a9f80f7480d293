"""schemathesis over the whole OpenAPI document of the HTTP API: no 5xx, and answers as the document promises."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pileus.deploy.synth import check_settings
from spec.support import tiny
from spec.support.api import Asking, serving, stack_services
from spec.support.stack import Project

SECONDS = 400
CHECKS = """[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", 501]
"""
"""501 is what /cumulus says of a route of Cumulus's that Pileus has not."""


@pytest.fixture(scope="module")
def ask(stack: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    """A stack with a month that was made."""
    process = {"band": "light", "zones": "data/zones/tiny.geojson"}
    tiny.collection(stack, "schema", "201501", "201501", meta={"group": {"by": ["month"]}, "process": process})
    tiny.publish(stack, "schema", "201501")
    stack.pileus("populate")
    stack.pileus("backfill", "schema", "--name", "schema-first", "--wait")
    folder = tmp_path_factory.mktemp("api")
    with serving(stack_services(stack), folder, check_settings({}), streams=False) as asking:
        yield asking


def test_the_document_is_valid_and_tells_each_operation_in_a_line(ask: Asking) -> None:
    document = ask("/api", role=None).json
    operations = [one for path in document["paths"].values() for one in path.values()]
    assert len(operations) > 35
    assert all(one.get("summary") and one.get("description") for one in operations)


@pytest.mark.parametrize("role", ["read", "operate"])
def test_no_generated_request_is_answered_by_a_5xx_or_by_what_is_not_promised(
    ask: Asking, role: str, tmp_path: Path
) -> None:
    config = tmp_path / "schemathesis.toml"
    config.write_text(CHECKS)
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "--config-file",
        str(config),
        "run",
        f"{ask.url}/api",
        "--header",
        f"Authorization: Bearer {ask.tokens[role]}",
        "--header",
        "Prefer: respond-async",  # so that no execution is waited for
        "--checks",
        "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        "--max-examples",
        "8",
        "--seed",
        "1",
        "--no-color",
        "--suppress-health-check",
        "all",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
