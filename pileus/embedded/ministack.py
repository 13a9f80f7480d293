"""The embedded AWS as a process: MiniStack, configured to answer quickly while its workflows run, and this user only.

uvicorn with a parser in C serves it, in a third of the time of MiniStack's own server. Its event loop shares the
interpreter lock with one thread per execution. Python switches threads every 5 ms by default, and each answer waits for
that; with 0.5 ms a backfill's calls take half the time.
"""

import os
import resource
import sys
from pathlib import Path

SWITCH_SECONDS = 0.0005
IDLE_SECONDS = 75
"""Seconds for which an idle connection stays open: longer than clients keep one."""

if __name__ == "__main__":
    import uvicorn
    from ministack.app import app
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc, s3, scheduler, stepfunctions

    from pileus.embedded import activities, executions, objects
    from pileus.embedded.lambdas import fork_lambdas, name_errors, sign_code
    from pileus.embedded.private import Private
    from pileus.embedded.timezones import in_zones

    scheduler._tick_schedules = in_zones(
        scheduler._tick_schedules, scheduler._schedules._data, scheduler._schedule_last_fired
    )
    executions.end_with_their_parent(stepfunctions)
    executions.start_at_once(stepfunctions)
    activities.end_silent_activities(stepfunctions)
    name_errors(lambda_svc)
    sign_code(lambda_svc, os.environ["AWS_SESSION_TOKEN"])
    objects.keep(s3, Path(os.environ["PILEUS_S3_METADATA"]))
    if sys.platform == "linux":
        fork_lambdas(lambda_runtime)
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    sys.setswitchinterval(SWITCH_SECONDS)
    uvicorn.run(
        Private(app, os.environ["AWS_SESSION_TOKEN"]),
        host=os.environ["BIND_HOST"],
        port=int(os.environ["GATEWAY_PORT"]),
        http="httptools",
        loop="uvloop",
        ws="none",
        access_log=False,
        log_level="warning",
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=5,
    )
