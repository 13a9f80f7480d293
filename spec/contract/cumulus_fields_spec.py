"""The table of Cumulus's fields in docs/cumulus.md: of every field of Cumulus's schemas, and true of our models."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from pileus.documents import Collection, Document, Provider, Rule, parse_value
from pileus.documents.base import _models
from pileus.project.schemas import schema
from spec.support.cumulus_documents import COLLECTIONS, PROVIDERS, RULES

PAGE = (Path(__file__).parents[2] / "docs/cumulus.md").read_text()
SECTION = PAGE.partition("\n## Fields\n")[2].partition("\n## ")[0]
ROWS = dict(re.findall(r"^\| `([^`]+)` \| (used|kept)[:|\s]", SECTION, re.MULTILINE))
OWN = set(re.findall(r"`([^`]+)`", SECTION.rpartition("Of Pileus's own are")[2]))
MODELS: dict[str, type[Document]] = {"collection": Collection, "provider": Provider, "rule": Rule}
SCHEMAS = {
    "collection": "name version dataType process url_path duplicateHandling granuleId granuleIdExtraction reportToEms "
    "sampleFileName ignoreFilesConfigForDiscovery files files[].regex files[].sampleFileName files[].bucket "
    "files[].url_path files[].type files[].checksumFor files[].lzards files[].reportToEms createdAt updatedAt meta "
    "meta.s3MultipartChunksizeMb meta.allFilesPresent tags",
    "provider": "id globalConnectionLimit maxDownloadTime protocol host allowedRedirects port username password "
    "encrypted createdAt updatedAt privateKey cmKeyId certificateUri",
    "rule": "name workflow provider collection collection.name collection.version meta meta.retries "
    "meta.visibilityTimeout payload queueUrl rule rule.type rule.value rule.arn rule.logEventArn state createdAt "
    "updatedAt tags executionNamePrefix",
}
"""The fields of `packages/api/lib/schemas.js` of nasa/cumulus."""
BESIDE = {"collection.cmrProvider", "collection.metricsProvider", "rule.context"}
"""Fields that documents in use have, beside the schemas."""
FREE = {"collection.meta.s3MultipartChunksizeMb", "collection.meta.allFilesPresent"}
"""Keys of a part in which any key is kept."""


def of_schemas() -> set[str]:
    return {f"{kind}.{name}" for kind, names in SCHEMAS.items() for name in names.split()}


def of_model(model: type[BaseModel], prefix: str, depth: int = 2) -> Iterator[str]:
    """Yield the fields of a model, and of the models in it."""
    for name, field in model.model_fields.items():
        yield f"{prefix}.{name}"
        inner = [part for part in _models(field.annotation) if depth > 1]
        many = "[]" if "tuple" in str(field.annotation) else ""
        for part in inner:
            yield from of_model(part, f"{prefix}.{name}{many}", depth - 1)


def description(path: str) -> str:
    """Return what the model's schema says of a field."""
    kind, *steps = path.split(".")
    whole = schema(kind)
    at: Any = whole
    for step in steps:
        at = at["properties"][step.removesuffix("[]")]
        if step != steps[-1]:
            ref = re.search(r"#/\$defs/(\w+)", str(at))
            assert ref, path
            at = whole["$defs"][ref[1]]
    return str(at["description"])


def in_documents(value: Any, prefix: str) -> Iterator[str]:
    for name, item in value.items():
        here = f"{prefix}.{name}"
        yield here
        for part in item if isinstance(item, list) else [item]:
            if isinstance(part, dict):
                yield from in_documents(part, f"{here}[]" if isinstance(item, list) else here)


def test_the_table_has_every_field_of_cumulus_and_no_other() -> None:
    assert set(ROWS) == of_schemas() | BESIDE


def test_every_field_of_the_table_is_one_of_our_documents() -> None:
    ours = {path for kind, model in MODELS.items() for path in of_model(model, kind)}
    assert set(ROWS) - FREE <= ours


def test_every_field_of_our_documents_is_in_the_table_or_named_as_our_own() -> None:
    parts = ("collection.meta.", "provider.credentials.", "collection.options.", "rule.meta.")
    ours = {path for kind, model in MODELS.items() for path in of_model(model, kind)}
    assert {path for path in ours - set(ROWS) if not path.startswith(parts)} == OWN


@pytest.mark.parametrize("path", sorted(set(ROWS) - FREE))
def test_what_the_table_calls_kept_is_called_so_by_the_model_too(path: str) -> None:
    said = description(path)
    assert bool(re.search(r"(?i)(^|; )kept( and not used)?[.:]", said)) == (ROWS[path] == "kept"), said


def test_the_documents_that_are_imported_and_exported_have_every_field() -> None:
    found = {
        path
        for kind, values in (("collection", COLLECTIONS), ("provider", PROVIDERS), ("rule", RULES))
        for value in values
        for path in in_documents(value, kind)
    }
    assert found >= set(ROWS)


def test_all_of_them_are_documents_of_ours() -> None:
    for kind, values in (("collection", COLLECTIONS), ("provider", PROVIDERS), ("rule", RULES)):
        for value in values:
            parse_value(MODELS[kind], value, kind)
