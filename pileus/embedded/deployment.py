"""The data and core stacks on the embedded AWS."""

import json
import os
from collections.abc import Mapping
from typing import Any

from pileus.deploy.synth import synth
from pileus.edges.aws import Aws, Stack
from pileus.edges.cloudformation import Assembly, deploy
from pileus.embedded.home import Home
from pileus.errors import UsageError
from pileus.project.folder import Project
from pileus.strict_json import parse_json
from pileus.version import __version__

SETTINGS: dict[str, Any] = {
    "embedded": True,
    "point_concurrency": 10,
    "group_concurrency": 20,
    "visibility_seconds": 30,
}


def synth_embedded(home: Home) -> Assembly:
    """Synthesize the stacks of a project, unless they have been synthesized. Raises UsageError and DocumentError."""
    return synth(Project(home.project), home.assemblies, settings(os.environ))


def deploy_embedded(aws: Aws, assembly: Assembly) -> Stack:
    """Create or update the stacks. Buckets that an earlier run left on disk are used again."""
    data, core = _named(assembly, "-data"), _named(assembly, "-core")
    names = {bucket["Name"] for bucket in aws.s3.list_buckets()["Buckets"]}
    stack = Stack.from_outputs(deploy(aws, assembly, core))
    own = {stack.internal, stack.protected}
    missing = {one["name"] for one in stack.bucket_map.values()} - own - names
    for bucket in sorted(missing):  # on AWS the user's own buckets are there before the stack
        aws.s3.create_bucket(Bucket=bucket)
    if not own <= names:
        deploy(aws, assembly, data)
        missing |= own
    for bucket in sorted(missing):
        # MiniStack writes no folder for an empty bucket, so it would be lost after kill -9.
        aws.s3.put_object(Bucket=bucket, Key="pileus.json", Body=json.dumps({"version": __version__}).encode())
    return stack


def settings(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings of the embedded stack; PILEUS_SETTINGS (JSON) overrides them. Raises UsageError for invalid
    JSON.
    """
    try:
        changes: dict[str, Any] = parse_json(environ.get("PILEUS_SETTINGS", "{}"))
    except ValueError as exc:
        raise UsageError(f"PILEUS_SETTINGS: {exc}") from exc
    return SETTINGS | changes


def _named(assembly: Assembly, suffix: str) -> str:
    return next(stack for stack in assembly.stacks() if stack.endswith(suffix))
