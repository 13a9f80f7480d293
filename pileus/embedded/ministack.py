"""The embedded AWS as a process: MiniStack, set up to answer quickly while its workflows run.

Its event loop shares the interpreter lock with a thread per execution. With Python's usual 5 ms between handovers
each answer waits behind them; with half a millisecond a backfill's calls take half the time.
"""

import sys

SWITCH_SECONDS = 0.0005

if __name__ == "__main__":
    from ministack.app import main
    from ministack.services import scheduler

    from pileus.embedded.timezones import in_zones

    scheduler._tick_schedules = in_zones(
        scheduler._tick_schedules, scheduler._schedules._data, scheduler._schedule_last_fired
    )

    sys.setswitchinterval(SWITCH_SECONDS)
    main()
