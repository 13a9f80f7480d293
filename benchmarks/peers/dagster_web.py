"""A Dagster instance with one finished run, and its web server: for benchmarks/api.py. Run by Dagster's own Python.

python dagster_web.py FOLDER PORT     prints the run's id, then serves until it is told to stop
"""

import os
import subprocess
import sys
from pathlib import Path


def main() -> None:
    folder, port = Path(sys.argv[1]), sys.argv[2]
    os.environ["DAGSTER_HOME"] = str(folder)
    os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
    folder.mkdir(exist_ok=True)
    (folder / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    code = folder / "definitions.py"
    code.write_text(DEFINITIONS)
    from dagster import DagsterInstance

    sys.path.insert(0, str(folder))
    from definitions import noop

    result = noop.execute_in_process(instance=DagsterInstance.get())
    print(result.run_id, flush=True)
    server = Path(sys.executable).with_name("dagster-webserver")
    command = [str(server), "-h", "127.0.0.1", "-p", port, "-f", str(code), "--log-level", "error"]
    with subprocess.Popen(command, env=os.environ) as process:
        try:
            process.wait()
        except KeyboardInterrupt:
            process.terminate()


DEFINITIONS = """
from dagster import Definitions, job, op

@op
def nothing():
    return 1

@job
def noop():
    nothing()

defs = Definitions(jobs=[noop])
"""

if __name__ == "__main__":
    main()
