"""Modules that tasks of other systems import under a name of their own; on the path of a task that has no others."""
