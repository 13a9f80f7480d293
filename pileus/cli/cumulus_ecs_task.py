"""cumulus-ecs-task: a Python Lambda as a worker of a Step Functions activity, in place of Cumulus's image."""

import os
import signal
import socket
from collections.abc import Mapping
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pileus.worker.handler_process import Handler

HEARTBEAT = "CUMULUS_ECS_TASK_HEARTBEAT"
YEAR = 365 * 86_400


class Wrap(StrEnum):
    """What is done with Cumulus messages."""

    wrap = "wrap"
    none = "none"


def main() -> None:
    """Run the command; a known error is one line and an exit code."""
    from pileus.errors import PileusError

    try:
        typer.run(work)
    except PileusError as error:
        typer.echo(f"cumulus-ecs-task: {error}", err=True)
        raise SystemExit(error.exit_code) from None


def work(
    activity: Annotated[str, typer.Option("--activityArn", help="ARN of the activity whose tasks are done.")],
    function: Annotated[str | None, typer.Option("--lambdaArn", help="ARN of the Lambda whose zip is run.")] = None,
    handler: Annotated[
        str | None, typer.Option("--handler", help="In place of it: PATH:FUNCTION of a .py file.")
    ] = None,
    cma: Annotated[
        Wrap, typer.Option("--cma", help="`none`: the handler reads Cumulus messages itself, by run_cumulus_task.")
    ] = Wrap.wrap,
    heartbeat: Annotated[
        float,
        typer.Option(
            "--heartbeatSeconds", min=1, envvar=HEARTBEAT, help="The state's HeartbeatSeconds; a third is waited."
        ),
    ] = 60,
    timeout: Annotated[
        float, typer.Option("--timeoutSeconds", min=1, help="Seconds after which one task has failed.")
    ] = YEAR,
    cache: Annotated[
        Path, typer.Option("--cache", help="Folder of unpacked code, which nobody else may write.")
    ] = Path("~/.cache/cumulus-ecs-task"),
    until_idle: Annotated[bool, typer.Option("--until-idle", help="End when a poll brings no task.")] = False,
) -> None:
    """Poll an activity until SIGTERM; then hand the running task back with the error HandedBack."""
    from pileus.cli.worker import log_json_lines
    from pileus.edges.activities import POLL_SECONDS, SfnActivities
    from pileus.edges.aws import Aws
    from pileus.worker.activity import ActivityWorker
    from pileus.worker.handler_process import HandlerProcess

    log_json_lines()
    region = region_of(activity)
    found, theirs = _found(function, handler, activity, cma, cache.expanduser())
    name = f"{socket.gethostname()}-{os.getpid()}"
    activities = SfnActivities(Aws(region=region, patience=POLL_SECONDS).stepfunctions, activity, name)
    environ = {**theirs, **os.environ, "AWS_REGION": region, "AWS_DEFAULT_REGION": region}
    with closing(HandlerProcess(found, seconds=timeout, environ=environ)) as process:
        worker = ActivityWorker(activities, process.run, beat_seconds=heartbeat / 3)
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda *_: worker.stop())
        worker.run(until_idle=until_idle)


def _found(
    function: str | None, handler: str | None, activity: str, cma: Wrap, cache: Path
) -> tuple["Handler", Mapping[str, str]]:
    """Return the handler, and the environment variables of its Lambda. Raises UsageError."""
    import logging

    from pileus.edges.aws import Aws
    from pileus.edges.functions import LambdaFunctions
    from pileus.errors import UsageError
    from pileus.worker.handler_process import Handler, handler_of_lambda, handler_of_path
    from pileus.worker.lambda_folder import code_folder

    if (function is None) == (handler is None):
        raise UsageError("expected either --lambdaArn or --handler")
    if handler is not None:
        folder, module, name = handler_of_path(handler)
        return Handler(folder, module, name, name, activity=activity, cma=cma.value), {}
    assert function is not None
    functions = LambdaFunctions(Aws(region=region_of(function)).lambda_)
    code = functions.code(function)
    if code.layers:
        told = {"layers": ", ".join(code.layers)}
        logging.getLogger("pileus.worker").warning("the function's layers are not loaded", extra=told)
    place = handler_of_lambda(code_folder(cache, code, functions.download), code.handler)
    facts = {"name": code.name, "arn": function, "memory": code.memory, "activity": activity, "cma": cma.value}
    return Handler(*place, **facts), code.environment  # type: ignore[arg-type]


def region_of(arn: str) -> str:
    """Return the region of an ARN. Raises UsageError for what is none.

    >>> region_of("arn:aws:states:us-west-2:123456789012:activity:sync")
    'us-west-2'
    """
    from pileus.errors import UsageError

    parts = arn.split(":")
    if len(parts) < 6 or parts[0] != "arn" or not parts[3]:
        raise UsageError(f"{arn!r} is no ARN with a region")
    return parts[3]


if __name__ == "__main__":
    main()
