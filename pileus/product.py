"""The product's own folder: infra/, lambdas/, ecs_tasks/, the sample and the prices, wherever Pileus is installed.

A clone has them beside the library. A wheel carries them inside it (`_product`, see pyproject.toml), so that they are
no modules of their own in somebody's environment. A user's project is another folder: `pileus.project.folder`.
"""

import importlib.util
from pathlib import Path
from types import ModuleType

PACKAGE = Path(__file__).parent
CARRIED = "_product"
"""Name of the folder in the package that a wheel carries them in."""
WORKFLOW = ".asl.json"
"""What the name of a workflow's file ends with, the product's and a project's own."""
DEFINITION = "task.json"
"""Name of the file in a task's folder that defines it, the product's and a project's own."""

CIRRUS_DEFINITION = "definition.yml"
"""Name of the file that defines a task of Cirrus in a project's folder."""


def product_folder() -> Path:
    """Return the folder that holds infra/, lambdas/, ecs_tasks/, data/ and the example's documents."""
    carried = PACKAGE / CARRIED
    return carried if carried.is_dir() else PACKAGE.parent


def product_module(path: str) -> ModuleType:
    """Run a file of the product's folder, such as `infra/settings.py`, and return it as a module."""
    return run_file(product_folder() / path, path.removesuffix(".py").replace("/", "."))


def run_file(file: Path, name: str) -> ModuleType:
    """Run a .py file, and return it as a module called `name`, which nothing else can import."""
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None  # a .py file always has one
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
