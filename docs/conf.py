"""Settings of the documentation site, which `make docs` builds with Sphinx into site/."""

import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

import reference  # noqa: E402 - found by the line above

from pileus.version import __version__  # noqa: E402

project = "Pileus"
copyright = "the authors of Pileus, Apache-2.0"
release = version = __version__
extensions = ["myst_parser"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
exclude_patterns = ["pictures/*.py"]
nitpicky = True
html_theme = "furo"
html_title = f"Pileus {__version__}"
html_copy_source = html_show_sourcelink = False
html_theme_options = {"top_of_page_buttons": []}

GENERATED = re.compile(r"^% generated: (\w+)(?: (\w+))?$", re.MULTILINE)


def generate(_app, _page, text):
    """Replace `% generated: NAME [WORD]` in a page by what `reference.NAME` writes."""
    text[0] = GENERATED.sub(lambda found: getattr(reference, found[1])(*filter(None, [found[2]])), text[0])


def setup(app):
    """Let Sphinx call `generate` for each page that it reads."""
    app.connect("source-read", generate)
