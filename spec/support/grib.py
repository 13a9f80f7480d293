"""GRIB as an independent reader sees it. It is read in a process of its own: eccodes brings a copy of PROJ that, beside
pyproj's, leaves neither of them working.
"""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

CODE = """
import json, sys
import eccodes
import numpy as np
with open(sys.argv[1], "rb") as file:
    messages = list(iter(lambda: eccodes.codes_grib_new_from_file(file), None))
told = [{key: eccodes.codes_get(one, key) for key in json.loads(sys.argv[2])} for one in messages]
sys.stdout.buffer.write(json.dumps(told).encode() + b"\\n")
np.save(sys.stdout.buffer, np.array([eccodes.codes_get_values(one) for one in messages]))
"""


def messages(path: Path, *keys: str) -> tuple[list[dict[str, Any]], Any]:
    """The keys of each message, and the values: (messages, pixels)."""
    command = [sys.executable, "-c", CODE, str(path), json.dumps(keys)]
    told, _, values = subprocess.run(command, capture_output=True, check=True, timeout=120).stdout.partition(b"\n")
    return json.loads(told), np.load(io.BytesIO(values))
