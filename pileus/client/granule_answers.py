"""Questions and answers about granules."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from pileus.client import examples
from pileus.client.answers import Answer
from pileus.client.asked import Asked
from pileus.models import State


class GranuleFileAnswer(Answer):
    """One file of a granule."""

    name: str
    url: Annotated[str, Field(description="At the provider, or in a bucket.")]
    size: int | None = None
    checksum: Annotated[str | None, Field(description="algorithm:hex")] = None
    type: str | None = None
    previous: Annotated[tuple[str, ...], Field(description="Older files of this name that are kept.")] = ()


class GranuleAnswer(Answer):
    """One granule."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.GRANULE]})

    collection: str
    version: str
    id: str
    state: Annotated[State | None, Field(description="Of what last worked on it; null where that is gone.")]
    why: str
    subject: Annotated[str, Field(description="Key of what last worked on it.")]
    files: list[GranuleFileAnswer]
    updated: str


class OutcomeAnswer(Answer):
    """What came of one granule."""

    id: str
    done: bool
    detail: str
    owed: Annotated[str, Field(description="Partition that is processed again; empty: none.")] = ""


class NewWork(Asked):
    """Something to be done with granules."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.GRANULE_WORK]})

    wanted: Annotated[dict[str, Any], Field(description="action, collection, and which granules.")]
    id: Annotated[str | None, Field(max_length=40, description="The same id and wish do it once.")] = None
