"""What the kernels are compiled for before work begins: a cell keeps nothing that it compiles itself."""

import subprocess
import sys

CODE = """
import gc, tempfile
from pathlib import Path
import numpy as np
import shapely
from numba.core.dispatcher import Dispatcher
from pileus.documents import Process, Valid
from pileus.zonal import MemoryCache, Source, make_zones, measure
from pileus.zonal.warm import warm
from spec.support.zonal_reference import write

def compiled():
    every = [one for one in gc.get_objects() if isinstance(one, Dispatcher)]
    return {(one.__name__, str(signature)) for one in every for signature in one.signatures}

warm()
before, folder = compiled(), Path(tempfile.mkdtemp())
zones = make_zones(["a"], ["a"], [shapely.Point(40, 60).buffer(20)], "EPSG:4326")
for kind in ("float32", "uint16", "uint8", "float64", "int16", "int32", "uint32", "int8"):
    for layout in ({}, {"compress": "deflate"}, {"ENDIANNESS": "BIG"}):
        path = write(folder / "x.tif", np.ones((100, 100), kind), **layout)
        sources = [Source("x.b.tif", path=path, band="b"), Source("x.m.tif", path=path, band="m")]
        for rule in ("exact", "center", "all_touched", "gippy"):
            cache, every = MemoryCache(), ("count", "median", "skew")
            process = Process(band="b", zones="", valid=Valid(band="m"), stats=every, coverage=rule, area_weighted=True)
            for _ in range(2):
                measure(sources, process, zones, cache=cache, scratch=folder)
assert compiled() == before, compiled() - before
"""


def test_nothing_is_left_to_compile() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
