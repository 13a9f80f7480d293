"""The CDK app. `pileus synth` runs it; settings come as JSON in PILEUS_SETTINGS."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from aws_cdk import App, DefaultStackSynthesizer, Validations
from aws_cdk import aws_lambda as lambda_
from pydantic import ValidationError

from infra.api import Api
from infra.core import Core
from infra.data import Data
from infra.settings import Settings, explain
from infra.workers import Workers
from pileus.errors import PileusError


def main() -> None:
    """Synthesize into CDK_OUTDIR.

    LAMBDA_CODE is the folder of the Lambda package; OWN_WORKFLOWS are the files of the project's own workflows, with
    a separator as in PATH; OWN_TASKS is the folder of its tasks; PILEUS_NAG asks for the checks.
    """
    try:
        settings = Settings.model_validate_json(os.environ.get("PILEUS_SETTINGS", "{}"))
    except ValidationError as error:
        sys.exit(f"settings: {explain(error)}")
    own = [Path(path) for path in os.environ.get("OWN_WORKFLOWS", "").split(os.pathsep) if path]
    tasks = Path(os.environ["OWN_TASKS"]) if os.environ.get("OWN_TASKS") else None
    try:
        made = make(settings, code=os.environ["LAMBDA_CODE"], own=own, tasks=tasks, nag="PILEUS_NAG" in os.environ)
    except PileusError as error:
        sys.exit(str(error))
    made.synth()


def make(
    settings: Settings,
    *,
    code: str,
    own: Sequence[Path] = (),
    tasks: Path | None = None,
    nag: bool = False,
    out: str | None = None,
) -> App:
    """Return the app with the stacks that the settings ask for.

    `code`: folder of the Lambda package; `own`: files of the project's own workflows; `tasks`: folder of its tasks;
    `out`: folder of templates. Raises UsageError for a task that asks for what the settings cannot give.
    """
    app = App(context={"@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy": True}, outdir=out)
    Data(app, settings=settings, synthesizer=synthesizer(settings))
    asset = lambda_.Code.from_asset(code)
    core = Core(app, settings=settings, code=asset, own=own, tasks=tasks, synthesizer=synthesizer(settings))
    if settings.worker_image and not settings.embedded:
        Workers(app, settings=settings, core=core, synthesizer=synthesizer(settings))
        if settings.api:
            Api(app, settings=settings, api=settings.api, core=core, synthesizer=synthesizer(settings))
    if nag:
        check(app)
    return app


def check(app: App) -> None:
    """Check every stack with cdk-nag."""
    from cdk_nag import AwsSolutionsChecks, NIST80053R5Checks

    Validations.of(app).add_plugins(AwsSolutionsChecks(app, verbose=True), NIST80053R5Checks(app, verbose=True))


def synthesizer(settings: Settings) -> DefaultStackSynthesizer:
    """Return a synthesizer whose assets go to a bucket of our own, so that an account needs no CDK bootstrap."""
    return DefaultStackSynthesizer(
        file_assets_bucket_name=f"{settings.stack}-code-${{AWS::AccountId}}-${{AWS::Region}}",
        generate_bootstrap_version_rule=False,
    )


if __name__ == "__main__":
    main()
