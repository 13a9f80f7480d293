"""The rule: starts a workflow for a collection, once or on a schedule."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pileus.documents.base import NAME, Document
from pileus.documents.schedule import Expression, Zone


class RuleOf(Document):
    """When a rule fires: once, or on a schedule."""

    type: Literal["onetime", "scheduled"]
    value: Expression | None = None
    """`rate(1 day)` or `cron(0 6 * * ? *)`; none for onetime."""
    timezone: Zone = "UTC"

    @model_validator(mode="after")
    def _scheduled_has_a_value(self) -> Self:
        if self.type == "scheduled" and not self.value:
            raise ValueError("value: required for a scheduled rule: rate(1 day) or cron(0 6 * * ? *)")
        if self.type == "onetime" and self.value:
            raise ValueError("value: none for a onetime rule, which fires when it is populated")
        return self


class CollectionRef(Document):
    name: str
    version: str = "001"


class RuleMeta(BaseModel):
    """Free, but for the span of one firing."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)
    spanStart: str | None = None
    spanEnd: str | None = None


class Rule(Document):
    """Starts a workflow for a collection, once or on a schedule."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    workflow: str | None = Field(None, pattern=NAME)
    collection: CollectionRef
    provider: str | None = None
    rule: RuleOf
    state: Literal["ENABLED", "DISABLED"] = "ENABLED"
    meta: RuleMeta = RuleMeta()
