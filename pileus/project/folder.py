"""The folder a user works in: collections/, data/providers/, rules/, the zones they name, and workflows/ if any."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from pileus.documents import Collection, Document, Process, Provider, Rule, read
from pileus.documents.base import NAME
from pileus.errors import DocumentError, PileusError, UsageError
from pileus.product import DEFINITION, WORKFLOW, product_folder
from pileus.project.registry import Registry, key_of
from pileus.project.workflow_definition import Definition, read_definition
from pileus.task_folder import FolderTask, TaskFolder, bring_group_tasks

D = TypeVar("D", bound=Document)


class Project:
    """Documents of one folder. Raises DocumentError for the first that is wrong."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def registry(self) -> tuple[Registry, dict[str, str]]:
        """Return all documents, and the file that each came from, by the document's key."""
        sources: dict[str, str] = {}
        bring_group_tasks(self.own_tasks())
        registry = Registry(
            dict(self._read(Collection, "collections", key_of, sources)),
            dict(self._read(Provider, "data/providers", lambda provider: provider.id, sources)),
            dict(self._read(Rule, "rules", lambda rule: rule.name, sources)),
        )
        return registry, sources

    @property
    def tasks_folder(self) -> Path | None:
        """Return the folder of its own tasks, beside which its endpoints lie; None where it has neither."""
        folder = self.root / "tasks"
        return folder if folder.is_dir() or self.endpoints_folder.is_dir() else None

    @property
    def endpoints_folder(self) -> Path:
        """Return the folder of its own endpoints, which may not be there."""
        return self.root / "endpoints"

    def own_tasks(self) -> dict[str, FolderTask]:
        """Return the tasks in tasks/, by name. Raises DocumentError for the first that is wrong."""
        if self.tasks_folder is None:
            return {}
        own = TaskFolder(self.tasks_folder).tasks()
        if taken := sorted({task.casefold() for task in product_tasks()} & {name.casefold() for name in own}):
            raise DocumentError(
                "Pileus has a task of this name: choose another", where=f"tasks/{taken[0]}/{DEFINITION}"
            )
        return own

    def workflows(self) -> dict[str, Definition]:
        """Return the workflows that the stack will have, by name. Raises DocumentError for the first that is wrong."""
        files = {**_workflows(product_folder() / "infra/workflows"), **self.own_workflows()}
        tasks = {name: task.definition for name, task in self.own_tasks().items()}
        return {name: read_definition(name, path, self._place(path), tasks) for name, path in files.items()}

    def own_workflows(self) -> dict[str, Path]:
        """Return the file of each workflow in workflows/, by name.

        Raises DocumentError for a name that no document could give, and for one that the product's workflows have.
        """
        own, taken = _workflows(self.root / "workflows"), _workflows(product_folder() / "infra/workflows")
        for name, path in own.items():
            if name in taken or not re.fullmatch(NAME, name):
                why = "Pileus has a workflow of this name" if name in taken else f"the name does not match {NAME}"
                raise DocumentError(f"{why}: choose another", where=self._place(path))
        return own

    def _place(self, path: Path) -> str:
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)

    def zones(self, process: Process, where: str) -> tuple[str, bytes] | None:
        """Return the name and the bytes of the zones that a process names; None where they are in S3 already.

        Raises DocumentError for a file that cannot be read, or a URL that cannot be fetched.
        """
        if process.zones.startswith("s3://"):
            return None
        if "://" in process.zones:
            return _fetched(process.zones, where)
        path = self.root / process.zones
        try:
            return path.name, path.read_bytes()
        except OSError as exc:
            raise DocumentError(
                f"meta.process.zones: {process.zones} cannot be read: {exc.strerror}", where=where
            ) from exc

    def _read(
        self, model: type[D], folder: str, key: Callable[[D], str], sources: dict[str, str]
    ) -> Iterator[tuple[str, D]]:
        for path in sorted((self.root / folder).glob("*.json")):
            document = self._anchored(read(model, path))
            name = key(document)
            source = str(path.relative_to(self.root))
            if name in sources:
                raise DocumentError(f"{name} is defined in {sources[name]} already", where=source)
            sources[name] = source
            yield name, document

    def _anchored(self, document: D) -> D:
        """Return the document; a provider's folder that is not absolute begins at the project's."""
        if not isinstance(document, Provider) or document.protocol != "file" or not document.host:
            return document
        if "://" in document.host:
            return document
        return document.model_copy(update={"host": str(self.root / document.host)})


def _fetched(url: str, where: str) -> tuple[str, bytes]:
    from pileus.download.fetch import granule_of
    from pileus.edges.providers.by_url import read_url
    from pileus.edges.secrets import Secrets

    try:
        return granule_of(url).file.name, read_url(url, Secrets(environ=os.environ))
    except PileusError as exc:
        raise DocumentError(f"meta.process.zones: {exc}", where=where) from exc


def _workflows(folder: Path) -> dict[str, Path]:
    return {path.name.removesuffix(WORKFLOW): path for path in sorted(folder.glob(f"*{WORKFLOW}"))}


def product_tasks() -> dict[str, FolderTask]:
    """Return the tasks that come with Pileus, by name."""
    product = product_folder()
    return {**TaskFolder(product / "lambdas").tasks(), **TaskFolder(product / "ecs_tasks").tasks()}


def find_project(start: Path) -> Project:
    """Return the nearest folder, from `start` upwards, that has collections/ or workflows/. Raises UsageError."""
    for folder in (start, *start.parents):
        if any((folder / name).is_dir() for name in ("collections", "workflows")):
            return Project(folder)
    expected = "expected a folder collections/ or workflows/ here or above"
    raise UsageError(f"this is not a project: {expected}; `pileus init` makes one", where=str(start))


def with_zones(collection: Collection, url: str) -> Collection:
    """Return the collection with its zones at `url`."""
    process = collection.meta.process
    assert process is not None  # only called for collections that process
    meta = collection.meta.model_copy(update={"process": process.model_copy(update={"zones": url})})
    return collection.model_copy(update={"meta": meta})
