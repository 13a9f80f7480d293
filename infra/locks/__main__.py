"""Print what a lock file is made from: `python -m infra.locks image` or `lambda`. `make locks` reads it."""

import sys

from pileus.deploy.images import ONLY_IN_IMAGE, requirements
from pileus.deploy.lambda_package import NEEDS

NAMES = {"image": (*requirements(), *ONLY_IN_IMAGE), "lambda": NEEDS}

if __name__ == "__main__":
    print("\n".join(NAMES[sys.argv[1]]))
