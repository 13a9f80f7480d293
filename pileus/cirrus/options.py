"""What a process definition says about a task, an item or a collection, as stac-task reads it."""

from collections.abc import Mapping
from typing import Any

from pileus.cirrus.definition import ProcessDefinition
from pileus.cirrus.json_paths import find


def parameters_of(definition: ProcessDefinition, task: str) -> dict[str, Any]:
    """Return what a task is told: `workflow_options`, and over them those of the task.

    >>> given = {"workflow": "w", "workflow_options": {"a": 1, "b": 1}, "tasks": {"mask": {"b": 2}}}
    >>> parameters_of(ProcessDefinition.model_validate(given), "mask")
    {'a': 1, 'b': 2}
    """
    return {**definition.workflow_options, **definition.tasks.get(task, {})}


def collection_of(definition: ProcessDefinition, item: Mapping[str, Any]) -> str | None:
    """Return the collection that an item is put into; None where it stays in its own. The first that holds counts:

    1. `collection_matchers`: a `jsonpath` that finds the item exactly once in a list of it alone, or a `catch_all`;
    2. `upload_options.collections`, where there are no matchers: JSONPath by collection.

    Raises DocumentError for a path that cannot be applied.
    """
    if definition.collection_matchers:
        for matcher in definition.collection_matchers:
            if matcher.pattern is None or matcher.type == "catch_all" or _matches(matcher.pattern, item):
                return matcher.collection_name
        return None
    older = definition.upload_options.collections if definition.upload_options else {}
    return next((name for name, path in older.items() if _matches(path, item)), None)


def assign_collections(definition: ProcessDefinition, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the items, each in the collection that it is put into."""
    return [item | ({"collection": name} if (name := collection_of(definition, item)) else {}) for item in items]


def upload_options_of(definition: ProcessDefinition, collection: str | None) -> dict[str, Any]:
    """Return what holds for uploads of a collection's items: its own options, else those for all.

    >>> given = {"workflow": "w", "upload_options": {"path_template": "s3://a/${id}"}}
    >>> upload_options_of(ProcessDefinition.model_validate(given), "viirs")
    {'path_template': 's3://a/${id}'}
    """
    own = definition.collection_options.get(collection) if collection is not None else None
    found = own.upload_options if own and own.upload_options is not None else definition.upload_options
    return found.model_dump(exclude_unset=True) if found else {}


def _matches(path: str, item: Mapping[str, Any]) -> bool:
    return len(find(path, [item])) == 1
