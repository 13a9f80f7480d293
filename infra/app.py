"""The CDK app. `pileus synth` runs it; settings come as JSON in PILEUS_SETTINGS."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from aws_cdk import App, DefaultStackSynthesizer, Validations
from aws_cdk import aws_lambda as lambda_
from pydantic import ValidationError

from infra.core import Core
from infra.data import Data
from infra.settings import Settings, explain
from infra.workers import Workers


def main() -> None:
    """Synthesize into CDK_OUTDIR.

    LAMBDA_CODE is the folder of the Lambda package; OWN_WORKFLOWS are the files of the project's own workflows, with
    a separator as in PATH; PILEUS_NAG asks for the checks.
    """
    try:
        settings = Settings.model_validate_json(os.environ.get("PILEUS_SETTINGS", "{}"))
    except ValidationError as error:
        sys.exit(f"settings: {explain(error)}")
    own = [Path(path) for path in os.environ.get("OWN_WORKFLOWS", "").split(os.pathsep) if path]
    make(settings, code=os.environ["LAMBDA_CODE"], own=own, nag="PILEUS_NAG" in os.environ).synth()


def make(settings: Settings, *, code: str, own: Sequence[Path] = (), nag: bool = False, out: str | None = None) -> App:
    """Return the app with the stacks that the settings ask for.

    `code`: folder of the Lambda package; `own`: files of the project's own workflows; `out`: folder of templates.
    """
    app = App(context={"@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy": True}, outdir=out)
    Data(app, settings=settings, synthesizer=synthesizer(settings))
    asset = lambda_.Code.from_asset(code)
    core = Core(app, settings=settings, code=asset, own=own, synthesizer=synthesizer(settings))
    if settings.worker_image and not settings.embedded:
        Workers(app, settings=settings, core=core, synthesizer=synthesizer(settings))
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
