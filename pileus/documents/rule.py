"""The rule: starts a workflow for a collection, once or on a schedule."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pileus.documents.base import NAME, Document
from pileus.documents.schedule import Expression, Zone


class RuleOf(Document):
    """When a rule fires: once, or on a schedule."""

    type: Literal["onetime", "scheduled"]
    """`onetime` fires once when it is populated, and again when its content changes; `scheduled` fires by `value`.
    Example: `"scheduled"`."""
    value: Expression | None = None
    """`rate(1 day)` or `cron(minutes hours day-of-month month day-of-week year)`, as EventBridge Scheduler reads them.
    None for `onetime`. Example: `"cron(0 6 * * ? *)"`."""
    timezone: Zone = "UTC"
    """Time zone that the fields of `cron` are read in. Example: `"Europe/Berlin"`."""

    @model_validator(mode="after")
    def _scheduled_has_a_value(self) -> Self:
        if self.type == "scheduled" and not self.value:
            raise ValueError("value: required for a scheduled rule: rate(1 day) or cron(0 6 * * ? *)")
        if self.type == "onetime" and self.value:
            raise ValueError("value: none for a onetime rule, which fires when it is populated")
        return self


class CollectionRef(Document):
    name: str
    """Name of the collection, which must be a template. Example: `"viirs_template"`."""
    version: str = "001"
    """Version of the collection. Example: `"001"`."""


class RuleMeta(BaseModel):
    """Free, but for what one firing does."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)
    spanStart: str | None = None
    """First point in time of what a firing backfills, written as in `options.spanStart`. Without it: the template's.
    Example: `"-2 months"`."""
    spanEnd: str | None = None
    """Last point in time, included; may lie after the template's span. Without it: `now` where `spanStart` is given,
    else the template's. Example: `"now"`."""
    reportFailures: bool = False
    """Whether each failed partition of a firing is told to the topic, as `pileus backfill --report-failures` does.
    Example: `true`."""


class Rule(Document):
    """Starts a workflow for a collection, once or on a schedule."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    """Name of the rule, which commands use: up to 64 letters, digits, `_`, `.` and `-`. Example: `"viirs_monthly"`."""
    workflow: str | None = Field(None, pattern=NAME)
    """Workflow that is started for each point in time. Without it: the collection's. Example:
    `"DiscoverAndProcessGranules"`."""
    collection: CollectionRef
    """The collection that a firing backfills. Example: `{"name": "viirs_template", "version": "001"}`."""
    provider: str | None = None
    """Id of a provider to use instead of the collection's. Without it: the collection's. Example: `"mirror"`."""
    rule: RuleOf
    """When it fires. Example: `{"type": "scheduled", "value": "rate(1 day)"}`."""
    state: Literal["ENABLED", "DISABLED"] = "ENABLED"
    """`DISABLED` keeps it from firing; `pileus rules run` fires it all the same. Example: `"DISABLED"`."""
    meta: RuleMeta = RuleMeta()
    """The span of one firing, and whether its failures are told; any other key is kept. Example:
    `{"spanStart": "-2 months", "spanEnd": "now"}`."""
