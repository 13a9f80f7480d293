"""The definition of a process: which workflow a payload goes through, and what its tasks are told."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, StrictBool, model_validator

from pileus.cirrus.json_paths import chain_path, parsed
from pileus.documents.base import Document
from pileus.errors import DocumentError

WORKFLOW = re.compile(r"[A-Za-z0-9.-]{1,80}")
"""No underscore: Cirrus's table has one between the collections and the workflow."""


class Open(Document):
    """A part of a payload: keys that are not known are kept, as Cirrus does."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)


def _workflow(text: str) -> str:
    if not WORKFLOW.fullmatch(text):
        raise ValueError(f"{text[:80]!r} is the name of none: expected up to 80 letters, digits, - and .")
    return text


def _path(text: str) -> str:
    try:
        parsed(text)
    except DocumentError as exc:
        raise ValueError(exc.message) from exc
    return text


def _filter(text: str) -> str:
    _path(chain_path(text))
    return text


def _public(value: Any) -> Any:
    if value in (None, "ALL") or (isinstance(value, list) and all(isinstance(one, str) for one in value)):
        return value
    raise ValueError('expected "ALL" or a list of names of assets')


def _tasks(value: Any) -> dict[str, dict[str, Any]]:
    """Return parameters by task, also of the older form: a list of `{"name": ..., "parameters": {...}}`."""
    if isinstance(value, list):
        for number, one in enumerate(value):
            if not (isinstance(one, dict) and isinstance(one.get("name"), str)):
                raise ValueError(f"[{number}]: expected an object with a name")
        value = {one["name"]: one.get("parameters", {}) for one in value}
    if not isinstance(value, dict):
        raise ValueError("expected an object with the parameters of each task by its name")
    for name, parameters in value.items():
        if not isinstance(parameters, dict):
            raise ValueError(f"{str(name)[:60]!r}: expected an object of parameters")
    return value


Path = Annotated[str, AfterValidator(_path)]


class UploadOptions(Open):
    """Where stac-task puts the files of items."""

    path_template: str | None = None
    """Address of an item's folder. Example: `"s3://results/${collection}/${year}/${id}"`."""
    public_assets: Annotated[Any, AfterValidator(_public)] = None
    """Names of assets that anybody may read, or `"ALL"`. Without it: none. Example: `["thumbnail"]`."""
    headers: dict[str, Any] | None = None
    """Of the uploads. Without it: none. Example: `{"StorageClass": "INTELLIGENT_TIERING"}`."""
    s3_urls: StrictBool = False
    """Whether items name their files by `s3://`, and not by `https://`. Example: `true`."""
    collections: dict[str, Path] = Field(default_factory=dict)
    """The older form of `collection_matchers`: JSONPath by collection. Example: `{"s2": "$[?(@.id =~ 'S2.*')]"}`."""


class CollectionMatcher(Open):
    """Puts items into a collection."""

    type: Literal["jsonpath", "catch_all"]
    """`jsonpath`: the items that `pattern` finds once in a list of it alone; `catch_all`: every item."""
    pattern: Path | None = None
    """Example: `"$[?(@.id =~ 'S2.*')]"`."""
    collection_name: str = Field(min_length=1)
    """Example: `"sentinel-2-l2a"`."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.type == "jsonpath" and self.pattern is None:
            raise ValueError("pattern: required with the type jsonpath")
        return self


class CollectionOptions(Open):
    """What holds for the items of one collection in place of what holds for all."""

    upload_options: UploadOptions | None = None
    """Example: `{"path_template": "s3://other/${id}"}`."""


class ProcessDefinition(Open):
    """What is done with the items of a payload."""

    workflow: Annotated[str, AfterValidator(_workflow)]
    """Name of the workflow. Example: `"publish"`."""
    description: str | None = None
    """For a person. Example: `"Publish the month."`."""
    collections: str | None = Field(None, min_length=1)
    """In the payload's id, in place of the items' collections. Example: `"lights"`."""
    replace: StrictBool = False
    """Whether it is done once more where it has succeeded, or is invalid. Example: `true`."""
    tasks: Annotated[Any, AfterValidator(_tasks)] = Field(default_factory=dict)
    """What each task is told, by its name. Example: `{"zonal": {"stats": ["mean"]}}`."""
    workflow_options: dict[str, Any] = Field(default_factory=dict)
    """What all tasks are told. Example: `{"quality": "good"}`."""
    upload_options: UploadOptions | None = None
    """Example: `{"path_template": "s3://results/${collection}/${id}"}`."""
    collection_matchers: list[CollectionMatcher] = Field(default_factory=list)
    """The first that matches an item names its collection. Example: `[{"type": "catch_all", "collection_name":
    "lights"}]`."""
    collection_options: dict[str, CollectionOptions] = Field(default_factory=dict)
    """By collection. Example: `{"lights": {"upload_options": {"path_template": "s3://lights/${id}"}}}`."""
    chain_filter: Annotated[str, AfterValidator(_filter)] | None = None
    """JSONPath filter: which items of the payload before it goes on with. Example: `"@.properties.ready == true"`."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.collection_matchers and self.upload_options and self.upload_options.collections:
            raise ValueError("collection_matchers: not with upload_options.collections, their older form")
        return self


def warnings_of(definition: Mapping[str, Any], place: str) -> Iterator[str]:
    """Yield what a definition says in an older form, or leaves out: sentences, each with its path."""
    if isinstance(definition.get("tasks"), list):
        yield f"{place}.tasks: a list is the older form; an object with parameters by task is the newer"
    upload = definition.get("upload_options")
    if isinstance(upload, Mapping):
        if upload.get("collections"):
            yield f"{place}.upload_options.collections: the older form; collection_matchers are the newer"
        if not upload.get("path_template"):
            yield f"{place}.upload_options.path_template: missing, so files cannot be uploaded"
