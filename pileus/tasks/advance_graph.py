"""AdvanceGraph: say what of a graph is to be done next; at the end write its result document, and end its run."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pileus.errors import Cancelled, NotFound
from pileus.graphs import record
from pileus.graphs.uploads import values_of, want
from pileus.messages import PartTask, RequestTask, number, part
from pileus.models import State
from pileus.runs.end import succeed
from pileus.stratus.plan import plan_of
from pileus.stratus.service import NETCDF
from pileus.version import __version__
from pileus.wiring import Edges


def advance_graph(edges: Edges, event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the messages of a round, each for one worker, and the number of the next; `more`: whether there is any.

    Called again for the same round it returns the same. Raises Cancelled where the run is over, NotFound,
    DamagedObject.
    """
    config = part(event, "config")
    task, at = RequestTask.from_json(part(config, "task")), number(config, "round")
    subject, run = task.subject, task.run
    stored = edges.index.entry(subject)
    if stored is not None and stored.run == task.run_name and stored.state is State.succeeded:
        return {"more": False, "round": at, "messages": []}
    if stored is None or stored.run != task.run_name or stored.state.ended:
        raise Cancelled("its run is over", where=task.run_name)
    url = record.plan_url(edges, subject, run)
    if at == 0:
        graph = record.graph_at(edges, subject)
        want(edges, values_of(graph.request))
        plan = record.keep_plan(edges, subject, run, plan_of(graph))
    else:
        plan = record.read_plan(edges, url)
    if at < len(plan):
        messages = [PartTask(subject, run, at, place, url).to_json() for place in range(len(plan[at]))]
        return {"more": True, "round": at + 1, "messages": messages}
    succeed(edges, subject, run, record.write_results(edges, subject, run, _document(edges, task)))
    return {"more": False, "round": at, "messages": []}


def _document(edges: Edges, task: RequestTask) -> dict[str, Any]:
    """Return the result document of a run whose results are all made."""
    graph = record.graph_at(edges, task.subject)
    sizes = record.sizes(edges, task.subject, task.run)
    if lost := [name for name in graph.outputs if name not in sizes]:
        raise NotFound(f"{', '.join(lost[:5])}: its result is gone", where=task.run_name)
    results = {
        name: {
            "url": record.result_url(edges, task.subject, task.run, name, graph.outputs),
            "size": sizes[name],
            "type": NETCDF,
        }
        for name in graph.outputs
    }
    return {
        "key": task.subject.key,
        "run": task.run,
        "process": task.subject.name,
        "operations": len(graph.operations),
        "results": results,
        "finished": datetime.fromtimestamp(edges.now(), UTC).isoformat(timespec="seconds"),
        "code": __version__,
    }
