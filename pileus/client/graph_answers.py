"""Answers about requests of Stratus."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from pileus.client import examples
from pileus.client.answers import Answer
from pileus.models import State
from pileus.stratus.service import STATUS, Progress, Status


class ProgressAnswer(Answer):
    """Where a request stands."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.PROGRESS]})

    status: Annotated[Status, Field(description="In the words of Stratus.")]
    id: Annotated[str, Field(description="The same as rid.")]
    rid: Annotated[str, Field(description="Of the request.")]
    sid: Annotated[str, Field(description="The same as rid, as some clients of Stratus call it.")]
    cid: Annotated[str, Field(description="Whoever asked, by a name of its own.")]
    state: State
    outputs: Annotated[list[str], Field(description="Names of its results.")]
    done: Annotated[int, Field(description="Operations that have ended.")]
    operations: Annotated[int, Field(description="All of them.")]
    message: Annotated[str, Field(description="One sentence, where it failed or was stopped.")]

    @classmethod
    def of(cls, found: Progress) -> "ProgressAnswer":
        """Return the answer; `progress` is the inverse."""
        return cls(
            status=STATUS[found.state],
            id=found.rid,
            rid=found.rid,
            sid=found.rid,
            cid=found.cid,
            state=found.state,
            outputs=list(found.outputs),
            done=found.done,
            operations=found.operations,
            message=found.why,
        )

    def progress(self) -> Progress:
        """Return what `of` was given."""
        return Progress(self.rid, self.cid, self.state, tuple(self.outputs), self.done, self.operations, self.message)


class CapabilityAnswer(Answer):
    """One operation, or a pattern of operations."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.CAPABILITY]})

    pattern: Annotated[str, Field(description="`epa:op`, or a pattern of endpoints.")]
    title: str
    description: str
    parameters: Annotated[dict[str, Any], Field(description="JSON Schema of an object.")]
    inputs: Annotated[list[int | None], Field(description="Fewest and most inputs; null: any number.")]


class CapabilitiesAnswer(Answer):
    """What can be asked for."""

    capabilities: list[CapabilityAnswer]


class EpasAnswer(Answer):
    """Patterns of endpoints."""

    epas: Annotated[list[str], Field(examples=[["xop*"]])]


class ValueAnswer(Answer):
    """An uploaded file."""

    uri: Annotated[str, Field(description="By which inputs name it.", examples=["value:" + "0" * 64])]
