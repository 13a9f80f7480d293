"""The rule: starts a backfill or a workflow, once, on a schedule or with each message."""

import re
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from pileus.documents.base import NAME, Document
from pileus.documents.schedule import Zone, parse
from pileus.errors import UsageError

MESSAGES = ("sqs", "sns", "kinesis")
"""Types of rules that fire with messages."""
_PLACES = {
    "sqs": (r"https?://.+|arn:[^:]+:sqs:.+", "the URL of a queue"),
    "sns": (r"arn:[^:]+:sns:.+", "the ARN of a topic, arn:aws:sns:REGION:ACCOUNT:NAME"),
    "kinesis": (r"arn:[^:]+:kinesis:.+", "the ARN of a stream, arn:aws:kinesis:REGION:ACCOUNT:stream/NAME"),
}


class RuleOf(Document):
    """When a rule fires: once, on a schedule, or with each message of a queue, a topic or a stream."""

    type: Literal["onetime", "scheduled", "sqs", "sns", "kinesis"]
    """`onetime` fires once when it is populated, and again when its content changes; `scheduled` fires by `value`;
    `sqs`, `sns` and `kinesis` fire with each message of the queue, topic or stream `value`. Example: `"scheduled"`."""
    value: str | None = None
    """For `scheduled`: `rate(1 day)` or `cron(minutes hours day-of-month month day-of-week year)`, as EventBridge
    Scheduler reads them; for `sqs`: the URL of a queue; for `sns` and `kinesis`: the ARN of a topic or a stream.
    Without it: the rule is `onetime`. Example: `"cron(0 6 * * ? *)"`."""
    timezone: Zone = "UTC"
    """Time zone that the fields of `cron` are read in. Example: `"Europe/Berlin"`."""
    arn: str | None = None
    """Kept and not used: Cumulus writes the ARN of its event source here. Without it: nothing. Example:
    `"arn:aws:lambda:us-east-1:123456789012:event-source-mapping:3f6b2c1e"`."""
    logEventArn: str | None = None
    """Kept and not used: Cumulus writes the ARN of a second event source of a stream here. Without it: nothing.
    Example: `"arn:aws:lambda:us-east-1:123456789012:event-source-mapping:9a1d7e55"`."""

    @field_validator("value")
    @classmethod
    def _value_is_of_the_type(cls, value: str | None, info: ValidationInfo) -> str | None:
        type = info.data.get("type")
        if type == "scheduled" and value:
            try:
                parse(value)
            except UsageError as exc:
                raise ValueError(exc.message) from exc
        if type == "onetime" and re.match(r"(rate|cron)\(", value or ""):
            raise ValueError("none for a onetime rule, which fires when it is populated")
        if type in _PLACES and value and not re.fullmatch(_PLACES[type][0], value):
            raise ValueError(f"expected {_PLACES[type][1]}, for a rule of type {type}")
        return value

    @model_validator(mode="after")
    def _value_is_there(self) -> Self:
        if self.type == "scheduled" and not self.value:
            raise ValueError("value: required for a scheduled rule: rate(1 day) or cron(0 6 * * ? *)")
        if self.type in _PLACES and not self.value:
            raise ValueError(f"value: required, {_PLACES[self.type][1]}, for a rule of type {self.type}")
        return self


class CollectionRef(Document):
    """A collection by its name."""

    name: str
    """Name of the collection. Example: `"viirs_template"`."""
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
    retries: int | None = Field(default=None, ge=0, le=1000)
    """`sqs` only: how often a message is tried again that failed. Without it: 3 times. Example: `3`."""
    visibilityTimeout: int | None = Field(default=None, ge=0, le=43200)
    """`sqs` only: seconds for which a message that is in work is not given out again. Without it: those of the queue.
    Example: `1800`."""


class Rule(Document):
    """Starts a backfill of a collection, or a workflow."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    """Name of the rule, which commands use: up to 64 letters, digits, `_`, `.` and `-`. Example: `"viirs_monthly"`."""
    workflow: str | None = Field(default=None, pattern=NAME)
    """Workflow that is started: for each point in time of a template, with messages for each of them, and else for each
    firing. Without it: the collection's. Example: `"DiscoverAndProcessGranules"`."""
    collection: CollectionRef | None = None
    """The collection that a firing backfills, where it is a template; else the one that `workflow` is told about.
    Without it: each firing, or each message, starts `workflow`, which is required then. Example: `{"name":
    "viirs_template", "version": "001"}`."""
    provider: str | None = None
    """Id of a provider to use instead of the collection's. Without it: the collection's. Example: `"mirror"`."""
    rule: RuleOf
    """When it fires. Example: `{"type": "scheduled", "value": "rate(1 day)"}`."""
    state: Literal["ENABLED", "DISABLED"] = "ENABLED"
    """`DISABLED` keeps it from firing; `pileus rules run` fires it all the same. Example: `"DISABLED"`."""
    meta: RuleMeta = RuleMeta()
    """The span of one firing, and whether its failures are told; any other key is kept. Example:
    `{"spanStart": "-2 months", "spanEnd": "now"}`."""
    payload: dict[str, Any] | None = None
    """Payload of the message with which a rule that backfills nothing starts its workflow, once or on a schedule.
    Without it: an empty one. Example: `{"granules": []}`."""
    queueUrl: str | None = None
    """Kept and not used: the queue through which Cumulus starts executions. Without it: nothing. Example:
    `"https://sqs.us-east-1.amazonaws.com/123456789012/starts"`."""
    executionNamePrefix: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{0,40}$")
    """Beginning of the names of the executions that the rule starts. Without it: none. Example: `"nightly"`."""
    tags: tuple[str, ...] = ()
    """Words to find the rule by; kept and not used. Example: `["night lights"]`."""
    createdAt: int | None = None
    """Milliseconds since 1970 at which Cumulus made the document; kept and not used. Without it: not said. Example:
    `1717200000000`."""
    updatedAt: int | None = None
    """Milliseconds since 1970 at which Cumulus changed it; kept and not used. Without it: not said. Example:
    `1717200000000`."""
    context: dict[str, Any] | None = None
    """Kept and not used: documents of old Cumulus have it. Without it: nothing. Example: `{"url_path": "/sst"}`."""

    @model_validator(mode="after")
    def _starts_something(self) -> Self:
        if self.collection is None and self.workflow is None:
            raise ValueError("workflow: required for a rule without a collection")
        if self.rule.type in MESSAGES and self.workflow is None:
            raise ValueError(f"workflow: required for a rule of type {self.rule.type}")
        return self
