"""The inputs of the process `operations`."""

from functools import cached_property
from typing import Any, Self

from pydantic import model_validator

from pileus.documents import Document
from pileus.errors import DocumentError
from pileus.stratus.graph import Graph, graph_of
from pileus.stratus.request import StratusRequest


class Operations(Document):
    """A request of Stratus."""

    request: dict[str, Any]
    """Operations, what they read, and domains, in either spelling. Example:
    `{"input": [{"name": "tas:v0", "uri": "https://example.org/tas.nc"}], "operation": [{"name": "xop:mean", "input":
    "v0", "axis": "time"}]}`."""

    @model_validator(mode="after")
    def _is_a_graph(self) -> Self:
        try:
            _ = self.graph
        except DocumentError as exc:
            raise ValueError(exc.message) from exc
        return self

    @cached_property
    def graph(self) -> Graph:
        """The graph of the request."""
        return graph_of(StratusRequest.from_json(self.request))
