"""The embedded AWS as a process: MiniStack, set up to answer quickly while its workflows run.

It is served by uvicorn with a parser in C, which takes a third of the time for a request that MiniStack's own server
takes. Its event loop shares the interpreter lock with a thread per execution: with Python's usual 5 ms between
handovers each answer waits behind them; with half a millisecond a backfill's calls take half the time.
"""

import os
import resource
import sys

SWITCH_SECONDS = 0.0005
IDLE_SECONDS = 75
"""How long a connection may rest between two requests: longer than clients keep one."""

if __name__ == "__main__":
    import uvicorn
    from ministack.app import app
    from ministack.services import scheduler

    from pileus.embedded.timezones import in_zones

    scheduler._tick_schedules = in_zones(
        scheduler._tick_schedules, scheduler._schedules._data, scheduler._schedule_last_fired
    )
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    sys.setswitchinterval(SWITCH_SECONDS)
    uvicorn.run(
        app,
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
