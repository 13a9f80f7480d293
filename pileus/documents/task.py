"""The definition of a task, tasks/NAME/task.json: what it calls, where it runs, and what it needs there."""

import re
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from pileus.documents.base import Document
from pileus.errors import UsageError
from pileus.near import unknown

FUNCTION = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*$"
ENVIRONMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
KEYS = re.compile(r"(internal|protected|s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/[^?\[\]{}]*")
LAMBDA_SECONDS = 900
"""The longest time that AWS lets a Lambda run."""
INPUT, OUTPUT, WORKDIR = "{input}", "{output}", "{workdir}"
"""In the command of an image that has no Pileus in it: what stands for two files and a folder."""
KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}
"""Types of parameters, by JSON Schema's names."""
ONLY_WORKER = ("cpu", "gpu", "instance_type", "max_workers", "command")
SIZES = ("memory", "volume", "timeout", "image", "environment", "reads", "writes", *ONLY_WORKER)
"""What a task that runs within a group has from its worker."""


class Parameter(Document):
    """What a task is told by one key of `config`, or of `meta.task.parameters`."""

    type: Literal["string", "number", "integer", "boolean", "array", "object"]
    """Type of the value, by JSON Schema's name. Example: `"number"`."""
    description: str = ""
    """What it does, for a person. Without it: not said. Example: `"Least share of clear pixels."`."""
    required: bool = False
    """Whether the task refuses to run without it. Example: `true`."""
    default: Any = None
    """What the task takes where it is not given. Without it: nothing. Example: `0.5`."""


class TaskDefinition(Document):
    """A task of a project. Workflows name it by its folder: `"Resource": "pileus:task:NAME"`."""

    description: str
    """What it does, in one sentence. Example: `"Tell the map server which months are new."`."""
    runs: Literal["worker", "lambda", "group"]
    """Where it runs. `worker`: in workers of its own, which take its messages from its own queue. `lambda`: as a
    Lambda. `group`: in the workers of process_group, on the downloaded files of each group whose collection names it in
    `meta.task`. Example: `"worker"`."""
    function: str = Field("", pattern=f"^$|{FUNCTION}")
    """MODULE:FUNCTION or MODULE:CLASS; the module lies in the task's folder, or is installed. It is called with the
    event, `{"config": {...}, "input": ...}`, and returns what the workflow goes on with; for `group`, with a Work.
    Without it: only for an image whose `command` has `{input}`. Example: `"task:tell"`."""
    cma: Literal["wrap", "none"] = "wrap"
    """What is done with Cumulus messages (events with `cma` or `cumulus_meta`). `wrap`: the task gets `config` and
    `input` of them, and its answer becomes the next message. `none`: the task is called with the message as it is,
    because it calls `run_cumulus_task` itself. Example: `"none"`."""
    calls: Literal["event", "payload"] = "event"
    """What it is called with. `event`: see `function`. `payload`: a payload of Cirrus; a class of stac-task is called
    as its own Lambda would, and a worker does each payload in a process of its own. Example: `"payload"`."""
    python: str | None = None
    """For `payload` in a worker: interpreter with the task's packages, absolute or relative to the task's folder.
    Without it: the worker's own. Example: `"venv/bin/python"`."""
    version: str = Field("1", pattern=r"^[A-Za-z0-9_.-]{1,40}$")
    """For `group`: raise it when the task makes something else, so that older results are stale. Example: `"2"`."""
    parameters: dict[str, Parameter] = Field(default_factory=dict)
    """What it may be told, by name. Empty: not said, and nothing is checked. Example: `{"above": {"type":
    "number"}}`."""
    memory: PositiveInt | None = None
    """MiB of memory. Without it: 2048 in a worker, 512 in a Lambda. Example: `4096`."""
    cpu: PositiveInt | None = None
    """For `worker`: CPU units; 1024 are one vCPU. Without it: 1024. Example: `2048`."""
    gpu: int = Field(0, ge=0, le=16)
    """For `worker` on EC2: GPUs of one worker; `instance_type` must have them. Example: `1`."""
    instance_type: str | None = Field(None, pattern=r"^[a-z0-9-]+\.[a-z0-9-]+$")
    """For `worker` on EC2: type of instances of its own. Without it: the instances of the other workers. Example:
    `"g5.xlarge"`."""
    volume: PositiveInt | None = None
    """GB of disk of its own: of each worker, or of the Lambda (1 to 10). Without it: a worker shares the volume of its
    instance. Example: `100`."""
    timeout: int = Field(LAMBDA_SECONDS, ge=1, le=86_400)
    """Seconds after which one event has failed; at most 900 in a Lambda. Example: `3600`."""
    max_workers: int = Field(1, ge=1, le=400)
    """For `worker`: most workers at once; the fewest is 0. Example: `4`."""
    image: str | None = None
    """Address of an image of its own. It has Pileus in it, but where `command` has `{input}`. Without it: the worker's
    image, or the Lambda package. Example: `"123456789012.dkr.ecr.us-east-1.amazonaws.com/mask:1.0"`."""
    command: tuple[str, ...] = ()
    """For `worker`: the container's command. Empty: `python -m pileus worker --task NAME`. With `{input}` and
    `{output}`, which stand for files, it is the command line of an image that has no Pileus in it: such a container
    does one payload, and `{workdir}` is a folder that it may write to. Example: `["run", "{input}", "--output",
    "{output}"]`."""
    network: bool = False
    """For an image that has no Pileus in it: whether its containers reach the network. On Fargate it must be true:
    there containers cannot be kept from it. Example: `true`."""
    environment: dict[str, str] = Field(default_factory=dict)
    """Environment variables of its own. Example: `{"MODEL": "small"}`."""
    reads: tuple[str, ...] = ()
    """Objects that it may read: `internal/`, `protected/` or `s3://BUCKET/`, then a key, where `*` stands for any rest.
    Empty: none. Example: `["protected/stats/*"]`."""
    writes: tuple[str, ...] = ()
    """Objects that it may write, as in `reads`. Empty: none. Example: `["protected/masks/*"]`."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        given = [name for name in SIZES if name in self.model_fields_set]
        where = {"group": SIZES, "lambda": ONLY_WORKER, "worker": ()}[self.runs]
        if wrong := [name for name in given if name in where]:
            why = "is done by the workers of process_group" if self.runs == "group" else "runs as a Lambda"
            raise ValueError(f"{wrong[0]}: not for a task that {why}")
        if self.calls == "payload" and self.runs == "group":
            raise ValueError("calls: payloads are not for a task that is done by the workers of process_group")
        if self.python and (self.calls, self.runs) != ("payload", "worker"):
            raise ValueError("python: only for a task that does payloads in a worker")
        if self.runs == "lambda":
            self._check_lambda()
        self._check_foreign()
        if self.gpu and not self.instance_type:
            raise ValueError("instance_type: required with gpu: name one that has them, such as g5.xlarge")
        if self.image and not is_fixed(self.image):
            raise ValueError("image: may change: expected `@sha256:...`, or a tag in this account's ECR")
        for name in self.environment:
            if not ENVIRONMENT.fullmatch(name) or name.startswith(("AWS_", "PILEUS_")):
                raise ValueError(f"environment: {name!r} is no name of its own")
        for place in (*self.reads, *self.writes):
            if not KEYS.fullmatch(place):
                raise ValueError(f"{place!r}: expected internal/..., protected/... or s3://BUCKET/...")
        return self

    @property
    def foreign(self) -> bool:
        """Whether it is an image that has no Pileus in it, whose command reads a file and writes another."""
        return any(place in part for part in self.command for place in (INPUT, OUTPUT))

    def _check_foreign(self) -> None:
        if not self.foreign:
            if not self.function:
                raise ValueError("function: required, and missing")
            if self.network:
                raise ValueError("network: only for an image whose command has {input} and {output}")
            return
        if (self.calls, self.runs) != ("payload", "worker"):
            raise ValueError("command: {input} and {output} are for a task that does payloads in a worker")
        if missing := [one for one in (INPUT, OUTPUT) if not any(one in part for part in self.command)]:
            raise ValueError(f"command: expected {missing[0]} too")
        if not self.image:
            raise ValueError("image: required with a command that has {input}")
        not_there = ("function", "python", "gpu", "instance_type", "volume", "reads", "writes")
        if wrong := [name for name in not_there if name in self.model_fields_set]:
            raise ValueError(f"{wrong[0]}: not for an image that has no Pileus in it")

    def _check_lambda(self) -> None:
        if self.timeout > LAMBDA_SECONDS:
            raise ValueError(f"timeout: a Lambda has {LAMBDA_SECONDS} seconds at most; a worker has more")
        if self.memory and not 128 <= self.memory <= 10_240:
            raise ValueError("memory: a Lambda has 128 to 10240 MiB")
        if self.volume and self.volume > 10:
            raise ValueError("volume: a Lambda has 10 GB at most")

    def check_parameters(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters with the defaults of those that are not given. Raises UsageError for one that is
        unknown, missing, or of another type.
        """
        if not self.parameters:
            return dict(given)
        if strange := [name for name in given if name not in self.parameters]:
            raise UsageError(unknown("parameter", strange[0], self.parameters))
        found = dict(given)
        for name, parameter in self.parameters.items():
            if name in found:
                value = found[name]
                fits = isinstance(value, KINDS[parameter.type]) and (
                    isinstance(value, bool) == (parameter.type == "boolean")
                )
                if not fits:
                    raise UsageError(f"parameter {name}: expected {_a(parameter.type)}, not {str(value)[:60]!r}")
            elif parameter.required:
                raise UsageError(f"parameter {name}: required, and missing")
            elif parameter.default is not None:
                found[name] = parameter.default
        return found


def _a(word: str) -> str:
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def is_fixed(image: str) -> bool:
    """Return whether an image's address always means the same image.

    >>> is_fixed("example.org/pileus:1"), is_fixed("example.org/pileus@sha256:" + "0" * 64)
    (False, True)
    """
    host, _, name = image.partition("/")
    if re.fullmatch(r"[^@]+@sha256:[0-9a-f]{64}", name):
        return True
    return ".dkr.ecr." in host and re.fullmatch(r"[^:@]+:(?!latest$)[^:@]+", name) is not None
