"""`python -m pileus` is the command line."""

from pileus.cli.app import main

main()
