"""The application that each file of commands adds its own to."""

import typer

app = typer.Typer(
    name="pileus",
    help="Historical backfills of satellite archives: template to zonal statistics in S3.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
