"""Stacks through CloudFormation, with their assets. The same for the embedded AWS and the real one."""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pileus.edges.aws import Aws
from pileus.errors import NotFound, StoreError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import StackTypeDef

CAPABILITIES: Any = ["CAPABILITY_NAMED_IAM"]
EMBEDDED_SECONDS, ACCOUNT_SECONDS = 0.2, 5.0
"""Seconds between two requests for the state of a stack, in the embedded AWS and in an account."""
LONGEST_SECONDS = 7200.0
Waiter = Literal[
    "stack_create_complete", "stack_update_complete", "stack_delete_complete", "change_set_create_complete"
]
"""Names of boto3's waiters."""


@dataclass(frozen=True, slots=True)
class Assembly:
    """A folder that CDK synthesized."""

    folder: Path

    def stacks(self) -> list[str]:
        """Return the names of its stacks, in the order to deploy them: buckets, core, workers, the API."""
        names = [path.name.removesuffix(".template.json") for path in self.folder.glob("*.template.json")]
        return sorted(names, key=lambda name: ("data", "core", "workers", "api").index(name.rpartition("-")[2]))

    def folders(self) -> list[Path]:
        """Return its packages of code."""
        return sorted(path for path in self.folder.glob("asset.*") if path.is_dir())

    def template(self, stack: str) -> str:
        return (self.folder / f"{stack}.template.json").read_text()

    def resources(self, stack: str) -> dict[str, Any]:
        """Return its resources by logical id."""
        found: dict[str, Any] = json.loads(self.template(stack)).get("Resources", {})
        return found

    def bucket(self, stack: str) -> str:
        """Return where its assets go, with CloudFormation's placeholders."""
        listed = json.loads((self.folder / f"{stack}.assets.json").read_text())["files"].values()
        name: str = next(place["bucketName"] for asset in listed for place in asset["destinations"].values())
        return name

    def assets(self, stack: str) -> Iterator[tuple[Path, str, str]]:
        """Yield path, bucket (with its CloudFormation placeholders) and key of each file to upload."""
        listed = json.loads((self.folder / f"{stack}.assets.json").read_text())["files"].values()
        for asset in listed:
            path = self.folder / asset["source"]["path"]
            if path.name != f"{stack}.template.json":
                for place in asset["destinations"].values():
                    yield path, place["bucketName"], place["objectKey"]


def deploy(aws: Aws, assembly: Assembly, stack: str) -> dict[str, str]:
    """Create or update one stack, wait for it, and return its outputs.

    Raises StoreError with CloudFormation's reason.
    """
    url = template_url(aws, assembly, stack)
    client = aws.cloudformation
    if describe(aws, stack) is None:
        client.create_stack(StackName=stack, TemplateURL=url, Capabilities=CAPABILITIES)
        return deployed(aws, stack, "stack_create_complete")
    try:
        client.update_stack(StackName=stack, TemplateURL=url, Capabilities=CAPABILITIES)
    except StoreError as exc:
        if "No updates are to be performed" not in exc.message:
            raise
    return deployed(aws, stack, "stack_update_complete")


def outputs(aws: Aws, stack: str) -> dict[str, str] | None:
    """Return the outputs of a deployed stack; None when there is none. Raises StoreError when AWS cannot be reached."""
    found = describe(aws, stack)
    return _outputs(found) if found else None


def _outputs(stack: "StackTypeDef") -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", ())}


def describe(aws: Aws, stack: str) -> "StackTypeDef | None":
    """Return the stack as it is now; None when there is none. Raises StoreError when AWS cannot be reached."""
    try:
        return aws.cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    except StoreError as exc:
        if "does not exist" in exc.message:
            return None
        raise


def wait_until(aws: Aws, waiter: Waiter, stack: str, **names: str) -> None:
    """Wait with one of boto3's waiters. `names`: parameters beside the stack's name.

    Raises StoreError with CloudFormation's reason when the stack ends in another state, or after two hours.
    """
    from botocore.exceptions import BotoCoreError, WaiterError

    seconds = EMBEDDED_SECONDS if aws.endpoint else ACCOUNT_SECONDS
    config: Any = {"Delay": seconds, "MaxAttempts": round(LONGEST_SECONDS / seconds)}
    client: Any = aws.unguarded("cloudformation")  # waiters expect boto3's own errors
    try:
        client.get_waiter(waiter).wait(StackName=stack, WaiterConfig=config, **names)
    except WaiterError as exc:
        raise StoreError(
            f"ended {_status(exc.last_response)}: {_why(aws, stack, exc.last_response)}", where=stack
        ) from exc
    except BotoCoreError as exc:
        raise StoreError(f"AWS cannot be reached: {exc}", where=stack) from exc


def deployed(aws: Aws, stack: str, waiter: Waiter) -> dict[str, str]:
    """Wait until a stack is created or updated, and return its outputs.

    Raises StoreError with CloudFormation's reason.
    """
    wait_until(aws, waiter, stack)
    return outputs(aws, stack) or {}


def _status(answer: Any) -> str:
    stacks = answer.get("Stacks") or [{}]
    return str(answer.get("Status") or stacks[0].get("StackStatus") or "without a status")


def _why(aws: Aws, stack: str, answer: Any) -> str:
    """Return the reason in the waiter's last answer (a change set has one), else the one in the stack's events."""
    return str(answer.get("StatusReason") or reason(aws, stack))


def reason(aws: Aws, stack: str) -> str:
    """Return the first failure in the stack's events."""
    events = aws.cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    failed = [event for event in events if event.get("ResourceStatus", "").endswith("_FAILED")]
    if not failed:
        return "no reason given"
    return f"{failed[-1].get('LogicalResourceId')}: {failed[-1].get('ResourceStatusReason')}"


def upload(aws: Aws, assembly: Assembly, stack: str) -> str:
    """Upload the assets of a stack that are not there yet. Return the bucket that holds them."""
    bucket = _filled(aws, assembly.bucket(stack))
    _ensure_bucket(aws, bucket)
    for path, _, key in assembly.assets(stack):
        if aws.s3.list_objects_v2(Bucket=bucket, Prefix=key).get("KeyCount"):
            continue  # the key is the content's hash
        aws.s3.put_object(Bucket=bucket, Key=key, Body=_zip(path) if path.is_dir() else path.read_bytes())
    return bucket


def template_url(aws: Aws, assembly: Assembly, stack: str) -> str:
    """Upload a stack's assets and its template, and return the template's address. A request limits the template's
    size.
    """
    bucket, body = upload(aws, assembly, stack), assembly.template(stack).encode()
    key = f"templates/{hashlib.sha256(body).hexdigest()}.json"
    aws.s3.put_object(Bucket=bucket, Key=key, Body=body)
    host = aws.s3.meta.endpoint_url if aws.endpoint else f"https://s3.{aws.s3.meta.region_name}.amazonaws.com"
    return f"{host}/{bucket}/{key}"


def _filled(aws: Aws, bucket: str) -> str:
    region = aws.s3.meta.region_name
    account = aws.sts.get_caller_identity()["Account"]
    return bucket.replace("${AWS::AccountId}", account).replace("${AWS::Region}", region)


def _ensure_bucket(aws: Aws, bucket: str) -> None:
    """Return the bucket for code, made if it is missing: private and encrypted (S3's defaults since 2023)."""
    region = aws.s3.meta.region_name
    where: Any = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    try:
        aws.s3.head_bucket(Bucket=bucket)
    except (NotFound, StoreError):
        aws.s3.create_bucket(Bucket=bucket, **where)


def _zip(folder: Path) -> bytes:
    """Return a zip of the folder. The same files always give the same bytes."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                info = zipfile.ZipInfo(str(path.relative_to(folder)), (1980, 1, 1, 0, 0, 0))
                info.external_attr = 0o644 << 16
                archive.writestr(info, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return sink.getvalue()
