"""What an error may look like."""

from pileus.errors import PileusError


def one_sentence(error: PileusError, where: str) -> bool:
    """Return whether an error is one line that a terminal can show, names the file, and is not long."""
    text = str(error)
    return text.isprintable() and where in text and len(text) < 700
