"""Luigi: a task that writes a marker, once a partition, with the local scheduler. Prints {"task_s"}."""

import json
import logging
import sys
import tempfile
import time
from pathlib import Path

import luigi

FOLDER = Path(tempfile.mkdtemp())


class Nothing(luigi.Task):
    partition = luigi.Parameter()

    def output(self) -> luigi.LocalTarget:
        return luigi.LocalTarget(str(FOLDER / self.partition))

    def run(self) -> None:
        with self.output().open("w"):
            pass


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    count = int(sys.argv[1])
    began = time.perf_counter()
    luigi.build([Nothing(partition=f"p{number:04}") for number in range(count)], local_scheduler=True, no_lock=True)
    print(json.dumps({"task_s": (time.perf_counter() - began) / count}))
