"""Answers about runs and processes."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from pileus.client import examples
from pileus.client.answers import Answer
from pileus.models import State


class FailureAnswer(Answer):
    """Why a run failed."""

    type: str
    message: str
    where: str | None = None


class RunAnswer(Answer):
    """The latest run of one subject."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.RUN]})

    key: Annotated[
        str, Field(description="request:PROCESS/ID, workflow:NAME/ID, payload:ID, or COLLECTION/VERSION/PERIOD/GROUP.")
    ]
    kind: Annotated[str, Field(description="`partition`, `request`, `workflow` or `payload`.")]
    state: State
    run: str
    number: int
    attempt: int
    reason: str
    failure: FailureAnswer | None
    created: str | None
    started: str | None
    updated: str
    ended: str | None
    seconds: float
    downloaded: int
    input: str
    output: str | None


class RunEventAnswer(Answer):
    """One thing that has happened to a run."""

    time: str
    run: Annotated[int, Field(description="Number of the run that it happened to.")]
    what: Annotated[str, Field(description="State that the run came to, or type of an event of Step Functions.")]
    text: str


class ProcessedAnswer(Answer):
    """What came of handing in a payload."""

    run: RunAnswer
    started: Annotated[bool, Field(description="Else its state did not allow a run.")]
    warnings: Annotated[list[str], Field(description="What it has of older forms.")]


class ProcessAnswer(Answer):
    """A process that runs are made of."""

    id: str
    title: str
    description: str
    version: str
    inputs: Annotated[dict[str, Any], Field(description="JSON Schema.")]
    outputs: dict[str, dict[str, str]]
