"""The processes that a run can be of: one table that commands, the API and the worker read.

A new process is a model of its inputs, a function, and one line here, `register(RegisteredProcess(...))`. Functions are
named and not imported, because they need heavy libraries.
"""

from pileus.processes.operations import Operations
from pileus.processes.registry import RegisteredProcess, Result, process_of, register, registered
from pileus.processes.zonal_statistics import ZonalStatistics
from pileus.stratus.service import FORMS, JSON

__all__ = ["Operations", "RegisteredProcess", "Result", "ZonalStatistics", "process_of", "register", "registered"]

register(
    RegisteredProcess(
        id="zonal-statistics",
        title="Zonal statistics",
        description="Statistics of the pixels in each of your zones: of rasters by their addresses, or of points in "
        "time of a collection that is populated.",
        version="1.0.0",
        inputs=ZonalStatistics,
        outputs={
            "rows": Result(
                "Rows",
                "A row for each zone and band, and for each point in time or raster where several are measured.",
                "application/vnd.apache.parquet",
            )
        },
        function="pileus.tasks.zonal_statistics:zonal_statistics",
    )
)
register(
    RegisteredProcess(
        id="operations",
        title="Operations",
        description="Operations of endpoints over data sets, as a request of Stratus lists them: each reads inputs, or "
        "what others have made.",
        version="1.0.0",
        inputs=Operations,
        outputs={
            "results": Result(
                "Results",
                "The results that the request wants: as JSON, each with its address; a single one also as data.",
                JSON,
                tuple(form.partition(";")[0] for form in FORMS if form != JSON),
            )
        },
        workflow="RunGraph",
        check="pileus.graphs.check:check",
    )
)
