"""A task as Cirrus defines one, tasks/NAME/definition.yml, read as a task of a project."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveInt, StrictBool

from pileus.cirrus.definition import Open
from pileus.documents.base import Document, parse_value
from pileus.documents.task import FUNCTION, Parameter, TaskDefinition
from pileus.documents.yaml_text import parse_yaml
from pileus.errors import DocumentError


class LambdaPart(Open):
    """How Cirrus runs it as a Lambda. Other keys, such as `iamRoleStatements`, are not used."""

    enabled: StrictBool = True
    """Whether it is one."""
    handler: str = Field(pattern=r"^[\w/]+(\.\w+)+$")
    """MODULE.FUNCTION in the task's folder. Example: `"task.handler"`."""
    memorySize: PositiveInt | None = None
    """MiB. Example: `2048`."""
    timeout: PositiveInt | None = None
    """Seconds. Example: `900`."""
    environment: dict[str, str] = Field(default_factory=dict)
    """Environment variables. Example: `{"MODEL": "small"}`."""


class OtherPart(Open):
    """How Cirrus runs it as a job of AWS Batch."""

    enabled: StrictBool = True
    """Whether it is one."""


class CirrusTask(Document):
    """The definition of a task in the words of Cirrus, and in ours."""

    description: str
    """What it does, in one sentence."""
    enabled: StrictBool = True
    """Whether the project has it."""
    entry: str | None = Field(None, pattern=FUNCTION)
    """MODULE:CLASS of stac-task, or MODULE:FUNCTION of a payload."""
    runs: Literal["worker", "lambda"] | None = None
    """Where it runs. Without it: with `entry` in a worker, with `lambda` as a Lambda."""
    python: str | None = None
    """Interpreter with its packages."""
    memory: PositiveInt | None = None
    """MiB."""
    seconds: PositiveInt | None = None
    """Longest time of one payload."""
    max_workers: PositiveInt | None = None
    """Most workers at once."""
    volume: PositiveInt | None = None
    """GB of disk of its own."""
    image: str | None = None
    """Address of an image of its own."""
    command: tuple[str, ...] | None = None
    """In place of `entry`: command line of an image that has no Pileus in it, with `{input}` and `{output}`."""
    network: StrictBool | None = None
    """Whether containers of such an image reach the network."""
    environment: dict[str, str] = Field(default_factory=dict)
    """Environment variables."""
    parameters: dict[str, Parameter] = Field(default_factory=dict)
    """What it may be told; for people, the task itself checks it."""
    reads: tuple[str, ...] = ()
    """Objects that it may read."""
    writes: tuple[str, ...] = ()
    """Objects that it may write."""
    as_lambda: LambdaPart | None = Field(None, alias="lambda")
    """As Cirrus says it."""
    batch: OtherPart | None = None
    """As Cirrus says it; not used here."""


SHARED = (
    *("memory", "python", "max_workers", "volume", "image", "command", "network"),
    *("environment", "parameters", "reads", "writes"),
)


def read_definition(path: Path, where: str) -> TaskDefinition | None:
    """Return a task's definition; None for one that is not enabled. Raises DocumentError about `where`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise DocumentError(f"cannot be read: {exc}", where=where) from exc
    found = parse_value(CirrusTask, parse_yaml(text, where), where)
    return parse_value(TaskDefinition, _translated(found, where), where) if found.enabled else None


def _translated(task: CirrusTask, where: str) -> dict[str, Any]:
    """Return the fields of a project's task."""
    part = task.as_lambda if task.as_lambda and task.as_lambda.enabled else None
    if task.entry is None and part is None and not task.command:
        why = "entry: required, and missing; expected MODULE:CLASS, or `lambda` with a handler"
        raise DocumentError(why if task.batch is None else f"{why}; Batch is not used here", where=where)
    if task.entry is None and part is not None:
        module, _, function = part.handler.replace("/", ".").rpartition(".")
        entry = f"{module}:{function}"
    else:
        entry = task.entry or ""
    fields = task.model_dump(include=set(SHARED), exclude_unset=True)
    if part is not None:
        fields = {"memory": part.memorySize, "environment": {}} | fields
        fields["environment"] = part.environment | fields["environment"]
    seconds = task.seconds or (part.timeout if part else None)
    return {name: value for name, value in fields.items() if value not in (None, {}, ())} | {
        "description": task.description,
        "runs": task.runs or ("lambda" if part is not None and not task.entry else "worker"),
        **({"function": entry} if entry else {}),
        "calls": "payload",
        **({"timeout": seconds} if seconds else {}),
    }
