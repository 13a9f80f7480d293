"""`python -m pileus` is the command line."""

from pileus.cli.main import main

main()
