"""The embedded AWS as an account that takes all stacks, for `pileus deploy` as a user calls it.

What MiniStack cannot make it only notes: five kinds of resources, and alarms over several metrics. It runs Lambdas with
what is installed here, for their packages hold wheels for another Python. Its ECS starts no containers. Run as a
program, it serves.
"""

import io
import os
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spec.servers import Site, free_port, running

NOTED = (
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::EC2::FlowLog",
    "AWS::ECS::CapacityProvider",
    "AWS::ECS::ClusterCapacityProviderAssociations",
)
OURS = ("pileus/", "lambdas/", "tasks/")
"""What of a Lambda's package is not a wheel."""


@contextmanager
def account_of(work: Path) -> Iterator[Site]:
    """The account; its S3 and DynamoDB are empty."""
    port = free_port()
    environ = {
        **os.environ,
        "S3_PERSIST": "0",
        "PERSIST_STATE": "0",
        "HOME": str(work),
        "DOCKER_HOST": f"unix://{work}/no-engine",
        "GATEWAY_PORT": str(port),
    }
    with running([sys.executable, "-m", "spec.support.account"], port, env=environ) as process:
        yield Site(port, work, process=process)


def ours(package: bytes | None) -> bytes | None:
    """Return a Lambda's package without its wheels."""
    if package is None:
        return None
    sink = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(package)) as whole, zipfile.ZipFile(sink, "w") as kept:
        for name in whole.namelist():
            if name.startswith(OURS):
                kept.writestr(name, whole.read(name))
    return sink.getvalue()


def note(logical_id: str, _properties: Any, stack: str) -> tuple[str, dict[str, str]]:
    return f"{stack}-{logical_id}", {}


if __name__ == "__main__":
    import uvicorn
    from ministack.app import app
    from ministack.services import lambda_svc
    from ministack.services.cloudformation import provisioners

    for kind in NOTED:
        provisioners._RESOURCE_HANDLERS[kind] = {"create": note, "delete": lambda *_: None}
    alarm = provisioners._RESOURCE_HANDLERS["AWS::CloudWatch::Alarm"]
    make = alarm["create"]
    alarm["create"] = lambda id, given, stack: (note if "Metrics" in given else make)(id, given, stack)
    fetch = lambda_svc._fetch_code_from_s3
    lambda_svc._fetch_code_from_s3 = lambda *names, **more: ours(fetch(*names, **more))
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["GATEWAY_PORT"]), log_level="warning")
