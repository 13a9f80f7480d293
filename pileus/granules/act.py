"""What is done with one granule: its work is done again, a workflow applied, its files moved or removed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256

from pileus import runs
from pileus.backfills.end import is_live
from pileus.cumulus.url_path import url_path
from pileus.documents import Collection, Provider
from pileus.edges.store import delete_all
from pileus.edges.workflows import Workflows
from pileus.errors import Conflict, NotNow
from pileus.granules import record
from pileus.granules.buckets import check_free
from pileus.granules.message import message_of
from pileus.granules.read import kept_files
from pileus.granules.record import GranuleFile, GranuleRecord
from pileus.granules.wanted import Wanted
from pileus.lifecycle.partition import busy
from pileus.models import Partition
from pileus.outputs.commit import rename
from pileus.subject import Execution, parse_subject
from pileus.wiring import Edges


@dataclass(frozen=True, slots=True)
class Acted:
    """What came of one granule."""

    id: str
    done: bool
    detail: str
    """The key of the run that it led to, or what was done, or why it failed, in one line."""
    owed: str = ""
    """Partition that is still to be processed again; empty: none."""


@dataclass(frozen=True)
class Actor:
    """Does what `wanted` says, on behalf of the bulk run `name`. The same name does the same things once."""

    edges: Edges
    workflows: Workflows
    wanted: Wanted
    collection: Collection
    provider: Provider | None
    name: str

    def act(self, id: str) -> Acted:
        """Do it with one granule. Raises StoreError where the stack cannot be reached, and what else went wrong."""
        found = record.read(self.edges, self.collection.name, self.collection.version, id)
        does = {
            "reingest": self._reingest,
            "apply-workflow": self._apply,
            "move": self._move,
            "remove": self._remove,
        }
        return does[self.wanted.action](found)

    def _reingest(self, found: GranuleRecord) -> Acted:
        if isinstance(parse_subject(found.subject), Partition):
            return Acted(found.id, True, "", found.subject)
        before = runs.settle(self.edges, self.workflows, found.subject)
        run = before if before.ended is None else runs.rerun(self.edges, self.workflows, found.subject)
        return Acted(found.id, True, f"{run.key}, run {run.number}")

    def _apply(self, found: GranuleRecord) -> Acted:
        """Start the workflow over the granule. Where this bulk has started it before, it goes on."""
        assert self.wanted.workflow  # checked by Wanted
        digest = sha256(f"{self.name}\n{found.collection}/{found.version}\n{found.id}".encode()).hexdigest()
        subject = Execution(self.wanted.workflow, digest[:32])
        if found.subject != subject.key:
            found = replace(found, files=kept_files(self.edges, found))
            message = message_of(self.edges, subject, found, self.collection, self.provider, self.wanted.meta)
            run = runs.start_workflow(self.edges, self.workflows, subject.name, message, subject.id)
            record.write(self.edges, replace(found, subject=run.key, updated=self.edges.now()))
        return Acted(found.id, True, subject.key)

    def _move(self, found: GranuleRecord) -> Acted:
        """Copy the files, tell whoever names them, and delete them where they were."""
        self._quiet(found)
        files = kept_files(self.edges, found)
        to: dict[str, str] = {}
        for file in files:
            target = self._target(found, file)
            if target and target != file.url:
                check_free(self.edges, file.url)
                check_free(self.edges, target)
                to[file.url] = target
        if len({*to.values()}) < len(to):
            raise Conflict("two of its files would be moved to one place", where=found.id)
        for url, target in to.items():
            self.edges.store.copy(url, target)
        self._rename(found, {**to})
        moved = tuple(replace(file, url=to.get(file.url, file.url)) for file in files)
        record.write(self.edges, replace(found, files=moved, updated=self.edges.now()))
        delete_all(self.edges.store, to)
        return Acted(found.id, True, f"moved {len(to)} of {len(files)} files")

    def _target(self, found: GranuleRecord, file: GranuleFile) -> str | None:
        """Return where a file goes; None: it stays."""
        destination = self.wanted.destination(file.name)
        if destination is None or not file.url.startswith("s3://"):
            return None
        granule = {"granuleId": found.id, "version": found.version}
        folder = url_path(destination.filepath, {"granule": granule, "file": {"fileName": file.name}})
        key = "/".join(part for part in (*folder.split("/"), file.name) if part)
        return f"s3://{self.edges.stack.bucket(destination.bucket)}/{key}"

    def _remove(self, found: GranuleRecord) -> Acted:
        """Delete its kept files and its record. What was measured in them stays."""
        self._quiet(found)
        kept = [file for file in kept_files(self.edges, found) if file.url.startswith("s3://")]
        urls = [url for file in kept for url in (file.url, *file.previous)]
        for url in urls:
            check_free(self.edges, url)
        self._rename(found, {file.url: None for file in kept})
        delete_all(self.edges.store, urls)
        record.remove(self.edges, found)
        return Acted(found.id, True, f"removed with {len(urls)} files")

    def _quiet(self, found: GranuleRecord) -> None:
        """Raise NotNow while something works on it."""
        entry = self.edges.index.entry(parse_subject(found.subject))
        if entry is None:
            return
        live = is_live(self.edges, entry) if isinstance(entry.subject, Partition) else True
        if busy(entry, now=self.edges.now(), live=live):
            raise NotNow(f"{found.subject} works on it: wait for its end, or stop it", where=found.id)

    def _rename(self, found: GranuleRecord, to: Mapping[str, str | None]) -> None:
        """Tell the manifest of its partition, where it has one, where its files are; None: they are no more."""
        subject = parse_subject(found.subject)
        if isinstance(subject, Partition) and to:
            rename(self.edges.place(subject), to)
