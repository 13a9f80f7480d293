"""`files[]` of a collection: one kind of its files."""

from typing import Any, Self

from pydantic import Field, model_validator

from pileus.documents.base import NAME, Document, Regex
from pileus.documents.cumulus import UrlPath
from pileus.errors import DocumentError
from pileus.patterns import NamePattern


class File(Document):
    """One kind of file of the collection."""

    regex: Regex
    """Regular expression that a whole file name must match. Its named groups, `(?P<tile>...)`, are the parts of the
    name that `meta.group` refers to. Example: `"(?P<start>[0-9]{8})_(?P<tile>[A-Z0-9]+)[.]tgz"`."""
    bucket: str = Field(default="internal", pattern=NAME)
    """Key of the bucket that keeps the archive where `meta.process.archive` is true: `internal` or `protected`, or one
    of the setting `buckets`. Example: `"protected"`."""
    sampleFileName: str | None = None
    """A name that the regex must match; checked when the document is read. Without it: not checked. Example:
    `"20150101_75N060E.tgz"`."""
    url_path: UrlPath | None = None
    """Template of the folder in the bucket that tasks of Cumulus keep the file in; kept archives have keys of their
    own. Without it: the collection's. Example: `"{granule.collection}/{substring(file.fileName, 0, 3)}"`."""
    type: str | None = None
    """Kind of file, such as `data`, `metadata` or `browse`, as tasks and notifications of Cumulus tell it. Without it:
    not said. Example: `"data"`."""
    checksumFor: str | None = None
    """The `regex` of the files whose checksums these files hold, each beside the file that it is named after; the file
    is then verified against it. Without it: it holds no checksum. Example: `"(?P<day>[0-9]{8})[.]nc"`."""
    lzards: dict[str, Any] | None = None
    """Kept and not used: whether Cumulus backs the file up in LZARDS. Without it: not said. Example: `{"backup":
    true}`."""
    reportToEms: bool | None = None
    """Kept and not used: whether Cumulus reports the file to EMS. Without it: not said. Example: `false`."""

    @model_validator(mode="after")
    def _sample_matches(self) -> Self:
        if self.sampleFileName is None:
            return self
        try:
            parts = NamePattern(self.regex).parts(self.sampleFileName)
        except DocumentError as exc:
            raise ValueError(exc.message) from exc
        if parts is None:
            raise ValueError(f"regex does not match sampleFileName {self.sampleFileName[:80]!r}")
        return self
