"""The folder a user works in: collections/, data/providers/, rules/ and the zones they name."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from pileus.documents import Collection, Document, Process, Provider, Rule, read
from pileus.errors import DocumentError, UsageError
from pileus.project.registry import Registry, key_of

D = TypeVar("D", bound=Document)


class Project:
    """Documents of one folder. Raises DocumentError for the first that is wrong."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def registry(self) -> tuple[Registry, dict[str, str]]:
        """Return all documents, and the file that each came from, by the document's key."""
        sources: dict[str, str] = {}
        registry = Registry(
            dict(self._read(Collection, "collections", key_of, sources)),
            dict(self._read(Provider, "data/providers", lambda provider: provider.id, sources)),
            dict(self._read(Rule, "rules", lambda rule: rule.name, sources)),
        )
        return registry, sources

    def workflows(self) -> set[str]:
        """Names of the workflows that the stack will have."""
        return {path.name.removesuffix(".asl.json") for path in (self.root / "infra/workflows").glob("*.asl.json")}

    def zones(self, process: Process, where: str) -> tuple[Path, bytes] | None:
        """File and bytes of the zones a process names, or None where they are in S3 already."""
        if process.zones.startswith("s3://"):
            return None
        path = self.root / process.zones
        try:
            return path, path.read_bytes()
        except OSError as exc:
            raise DocumentError(
                f"meta.process.zones: {process.zones} cannot be read: {exc.strerror}", where=where
            ) from exc

    def _read(
        self, model: type[D], folder: str, key: Callable[[D], str], sources: dict[str, str]
    ) -> Iterator[tuple[str, D]]:
        for path in sorted((self.root / folder).glob("*.json")):
            document = read(model, path)
            name = key(document)
            source = str(path.relative_to(self.root))
            if name in sources:
                raise DocumentError(f"{name} is defined in {sources[name]} already", where=source)
            sources[name] = source
            yield name, document


def find_project(start: Path) -> Project:
    """Return the nearest folder, from `start` upwards, that has collections/. Raises UsageError."""
    for folder in (start, *start.parents):
        if (folder / "collections").is_dir():
            return Project(folder)
    raise UsageError("this is not a project: expected a folder collections/ here or above", where=str(start))


def with_zones(collection: Collection, url: str) -> Collection:
    """Return the collection with its zones at `url`."""
    process = collection.meta.process
    assert process is not None  # only called for collections that process
    meta = collection.meta.model_copy(update={"process": process.model_copy(update={"zones": url})})
    return collection.model_copy(update={"meta": meta})
