"""Our own operations, of the endpoint `pileus`.

What they compute is xarray's: values that are not numbers are left out, and a cell without any value has none.
"""

from pileus.stratus.builtin.anomaly import anomaly
from pileus.stratus.builtin.reduce import greatest, least, mean, std, total
from pileus.stratus.builtin.subset import subset
from pileus.stratus.builtin.timeseries import timeseries
from pileus.stratus.builtin.zonal import zonal

__all__ = ["anomaly", "greatest", "least", "mean", "std", "subset", "timeseries", "total", "zonal"]
