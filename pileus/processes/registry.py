"""The table of processes, and what each tells of itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pileus.documents import Document, parse_value
from pileus.errors import Unknown, UsageError
from pileus.near import unknown
from pileus.subject import PROCESS_ID


@dataclass(frozen=True, slots=True)
class Result:
    """One thing that a process makes."""

    title: str
    description: str
    media_type: str
    """Of rows, in which they are kept: they can be had in others. `application/json`: it is a part of the result
    document, of its name."""

    forms: tuple[str, ...] = ()
    """Media types beside JSON that it can be had in, where it is one data set."""

    @property
    def is_rows(self) -> bool:
        """Return whether it is a table."""
        return self.media_type != "application/json"


@dataclass(frozen=True, slots=True)
class RegisteredProcess:
    """One process."""

    id: str
    """Up to 30 small letters, digits and `-`; it is part of the keys of its runs."""
    title: str
    description: str
    version: str
    inputs: type[Document]
    """Model of its inputs; `pileus.project.schemas.input_schema` is its JSON Schema with descriptions."""
    outputs: Mapping[str, Result]
    """By name, as the result document has them."""
    function: str = ""
    """`module:function`, called with edges, the inputs as their model, and a `pileus.tasks.process_request.RunContext`;
    it returns a `Made`. What it raises fails the run. Empty where `workflow` is not RunProcess."""
    workflow: str = "RunProcess"
    """The workflow of Pileus that does its runs: RunProcess hands the whole of a run to one worker."""
    check: str = ""
    """`module:function`, called with edges and the inputs as their model before a run is written down. It raises
    DocumentError or UsageError for what the model alone cannot know, and returns a few facts that the index keeps with
    the run, as JSON. Empty: there is none."""

    def checked(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the inputs as they were given. Raises DocumentError for wrong ones, with the path of each."""
        self.read(inputs)
        return dict(inputs)

    def read(self, inputs: Mapping[str, Any]) -> Document:
        """Return the inputs as their model. Raises DocumentError."""
        return parse_value(self.inputs, inputs, f"inputs of {self.id}")


_REGISTERED: dict[str, RegisteredProcess] = {}


def register(process: RegisteredProcess) -> None:
    """Add a process. Raises UsageError when its id is taken, or is none."""
    if process.id in _REGISTERED or not PROCESS_ID.fullmatch(process.id):
        raise UsageError(f"process {process.id!r}: expected another id, of up to 30 small letters, digits and -")
    _REGISTERED[process.id] = process


def registered() -> dict[str, RegisteredProcess]:
    """Return all processes by id, in the order of their registration."""
    return dict(_REGISTERED)


def process_of(id: str) -> RegisteredProcess:
    """Return the process of an id. Raises UsageError with the near matches."""
    if id not in _REGISTERED:
        raise Unknown(unknown("process", id, _REGISTERED))
    return _REGISTERED[id]
