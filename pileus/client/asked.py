"""What is asked: the bodies of requests, checked where they enter."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from pileus.client import examples
from pileus.lifecycle.backfill import Order, Select

Point = Annotated[str, Field(max_length=40, examples=["2015-03"])]
Name = Annotated[str, Field(min_length=1, max_length=200)]


class Asked(BaseModel):
    """Base of all."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Span(Asked):
    """Which points in time of a collection, and which of its partitions."""

    collection: Annotated[Name, Field(examples=["viirs_template"])]
    version: Annotated[Name | None, Field(description="The highest if not given.")] = None
    first: Annotated[Point | None, Field(description="The template's own if not given.")] = None
    last: Annotated[Point | None, Field(description="Included; the template's own if not given.")] = None
    points: Annotated[
        list[Point], Field(max_length=10_000, description="These alone, in place of a span.", examples=[["2015-03"]])
    ] = []
    select: Select = "needed"
    order: Order = "oldest"
    provider: Annotated[Name | None, Field(description="In place of the collection's.")] = None


class NewBackfill(Span):
    """A backfill to start."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.NEW_BACKFILL]})

    id: Annotated[str | None, Field(max_length=60, description="Made if not given.")] = None
    max_running: Annotated[int | None, Field(ge=1, le=100_000, description="Most groups at once.")] = None
    max_failures: Annotated[int | None, Field(ge=0, le=10_000_000, description="Stop when more failed.")] = None
    report_failures: Annotated[bool, Field(description="Tell the topic of each failed partition.")] = False
    workflow: Annotated[Name | None, Field(description="In place of the collection's.")] = None
    max_dollars: Annotated[
        float | None, Field(gt=0, lt=1e9, description="Start no more groups when those started cost this much on AWS.")
    ] = None
    command: Annotated[str, Field(max_length=2000, description="What led to it, for people.")] = ""


class NewRun(Asked):
    """A run to start."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.NEW_RUN]})

    process: Annotated[Name, Field(description="Process, or workflow:NAME.", examples=["zonal-statistics"])]
    inputs: dict[str, Any]
    id: Annotated[str | None, Field(max_length=40, description="The same id and inputs start it once.")] = None


class NewPayload(Asked):
    """A payload of Cirrus to be processed."""

    payload: dict[str, Any] = Field(
        description="As JSON, or `url`, its address in S3.",
        examples=[
            {"type": "FeatureCollection", "features": [], "id": "a/workflow-b/c", "process": [{"workflow": "b"}]}
        ],
    )
    replace: bool = Field(default=False, description="Also where it has succeeded or is invalid.")


class Again(Asked):
    """Which partitions of a backfill to run again."""

    select: Select = "needed"
    only: Annotated[list[Annotated[str, Field(max_length=1000)]], Field(max_length=10_000)] = []
    """Points in time (`2015-03`) or partitions (`2015-03/20150301`); empty: all."""
