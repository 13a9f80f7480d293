"""A child process that has nothing of this one's environment but what code needs: no credentials, no secrets."""

import os
from collections.abc import Sequence

from pileus.cell.servant import environment
from pileus.worker.child_process import ChildProcess


class BareProcess(ChildProcess):
    """Does events, one after the other. See ChildProcess."""

    def __init__(self, name: str, module: str, arguments: Sequence[str], *, seconds: float) -> None:
        super().__init__(name, module, arguments, seconds=seconds, environ=environment(os.environ))
