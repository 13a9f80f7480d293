"""What is asked for granules: which ones, and what is done with each."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from pileus.documents import Document
from pileus.documents.base import NAME, Regex
from pileus.models import State
from pileus.patterns import SearchPattern

Action = Literal["reingest", "apply-workflow", "move", "remove"]


class Destination(Document):
    """Where files of one kind go."""

    regex: Regex
    """Regular expression that a part of a file's name must match, as in Cumulus. Example: `"[.]hdf$"`."""
    bucket: str
    """Key of a bucket of the stack, such as `protected`. Example: `"protected"`."""
    filepath: str = ""
    """Folder there, which may have templates as `url_path`. Example: `"moved/{granule.granuleId}"`."""


class Wanted(Document):
    """Granules of a collection, and what is done with each."""

    action: Action
    """`reingest`, `apply-workflow`, `move` or `remove`. Example: `"reingest"`."""
    collection: str = Field(pattern=NAME)
    """Name of the collection. Example: `"viirs_template"`."""
    version: str | None = Field(None, pattern=NAME)
    """Version of the collection. Without it: the highest. Example: `"001"`."""
    ids: tuple[str, ...] = ()
    """Ids of granules. Empty: those that `state` and `begins` tell. Example: `["SVDNB_npp_20150101"]`."""
    ids_at: str | None = None
    """Address of a JSON list of ids, in place of `ids`. Example: `"s3://internal/executions/x/ids.json"`."""
    every: bool = False
    """Whether all granules of the collection are meant, where nothing else tells which. Example: `true`."""
    state: State | None = None
    """Only granules in this state. Example: `"failed"`."""
    begins: str = ""
    """Only granules whose id begins so. Example: `"MOD09GQ.A2017"`."""
    workflow: str | None = Field(None, pattern=NAME)
    """Workflow that is applied. Example: `"PublishGranule"`."""
    meta: dict[str, Any] = Field(default_factory=dict)
    """What is added to `meta` of the workflow's message. Example: `{"why": "asked by Ann"}`."""
    destinations: tuple[Destination, ...] = ()
    """Where files go that are moved; one that none matches stays. Example:
    `[{"regex": ".*", "bucket": "protected"}]`."""

    @model_validator(mode="after")
    def _says_which_and_what(self) -> Self:
        if not (self.ids or self.ids_at or self.state or self.begins or self.every):
            raise ValueError("says of no granules: give ids, state or begins, or every for all of them")
        if (self.ids or self.ids_at) and (self.state or self.begins or self.every):
            raise ValueError("ids and a query contradict each other: leave one out")
        needs = {"apply-workflow": "workflow", "move": "destinations"}
        for action, name in needs.items():
            if bool(getattr(self, name)) != (self.action == action):
                raise ValueError(f"{name}: {'required for' if self.action == action else 'only for'} {action}")
        return self

    def destination(self, name: str) -> Destination | None:
        """Return where a file of this name goes; None: it stays."""
        return next((one for one in self.destinations if SearchPattern(one.regex).first(name) is not None), None)
