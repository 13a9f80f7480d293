"""The documents a user writes: collection, provider, rule, task. Cumulus names; unknown keys are an error.

Each model checks one document by itself; `check` in `project/registry.py` compares them with each other.
"""

from pileus.documents.band import Band, GridRule, Tiles
from pileus.documents.base import Document, parse, parse_value, read, violations
from pileus.documents.collection import (
    DEFAULT_STATISTICS,
    Collection,
    Meta,
    Process,
    Task,
)
from pileus.documents.file import File
from pileus.documents.grouping import Grouping, GroupPayload
from pileus.documents.options import Options, listed_points, narrowed, resolve_points
from pileus.documents.provider import Credentials, Provider, SecretRef
from pileus.documents.rule import CollectionRef, Rule, RuleMeta, RuleOf
from pileus.documents.task import TaskDefinition
from pileus.documents.valid import Bounds, Valid

__all__ = [
    "DEFAULT_STATISTICS",
    "Band",
    "Bounds",
    "Collection",
    "CollectionRef",
    "Credentials",
    "Document",
    "File",
    "GridRule",
    "GroupPayload",
    "Grouping",
    "Meta",
    "Options",
    "Process",
    "Provider",
    "Rule",
    "RuleMeta",
    "RuleOf",
    "SecretRef",
    "Task",
    "TaskDefinition",
    "Tiles",
    "Valid",
    "listed_points",
    "narrowed",
    "parse",
    "parse_value",
    "read",
    "resolve_points",
    "violations",
]
