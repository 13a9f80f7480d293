"""Operations of endpoints as processes: executing one is a run of the process `operations` with one operation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pileus.api.openapi30 import schema30
from pileus.errors import UsageError
from pileus.processes import RegisteredProcess, Result, process_of
from pileus.stratus.capability import Capability
from pileus.stratus.endpoints import process_inputs

INPUT = "input"


@dataclass(frozen=True)
class OperationProcess:
    """One operation."""

    id: str
    """`ENDPOINT-OPERATION`."""
    name: str
    """`ENDPOINT:OPERATION`, as a request names it."""
    capability: Capability

    @property
    def title(self) -> str:
        """See RegisteredProcess."""
        return self.capability.title

    @property
    def description(self) -> str:
        """See RegisteredProcess."""
        return self.capability.description

    @property
    def version(self) -> str:
        """See RegisteredProcess."""
        return self.process.version

    @cached_property
    def process(self) -> RegisteredProcess:
        """The process that its jobs are of."""
        return process_of("operations")

    @property
    def outputs(self) -> Mapping[str, Result]:
        """See RegisteredProcess."""
        return self.process.outputs

    def told_inputs(self) -> dict[str, Any]:
        """Return the descriptions of its inputs."""
        definitions = self.capability.parameters.get("$defs", {})
        return {
            name: {**told, "schema": schema30(told["schema"], definitions, content=True)}
            for name, told in process_inputs(self.capability).items()
        }

    def asked(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the inputs of `operations` that ask for it. Raises UsageError for an `input` that is no address."""
        addresses = inputs.get(INPUT, [])
        addresses = [addresses] if isinstance(addresses, str) else addresses
        if not isinstance(addresses, list) or not all(isinstance(one, str) for one in addresses):
            raise UsageError("inputs: input: expected addresses of files")
        read = [{"name": f"i{number}", "uri": uri} for number, uri in enumerate(addresses, 1)]
        rest = {name: value for name, value in inputs.items() if name != INPUT}
        operation = rest | {"name": self.name, "input": [one["name"] for one in read], "result": "result"}
        return {"request": {"input": read, "operation": [operation]}}


def operation_processes(capabilities: Sequence[Capability]) -> dict[str, OperationProcess]:
    """Return the processes of what can be asked for, by id. An endpoint's pattern stands for the name without its
    wildcards.

    >>> list(operation_processes([Capability("pileus:mean"), Capability("xop*:twice")]))
    ['pileus-mean', 'xop-twice']
    """
    found: dict[str, OperationProcess] = {}
    for one in capabilities:
        pattern, _, op = one.pattern.partition(":")
        epa = pattern.replace("*", "").replace("?", "x")
        if epa and op:
            found.setdefault(f"{epa}-{op}", OperationProcess(f"{epa}-{op}", f"{epa}:{op}", one))
    return found
