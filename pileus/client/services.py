"""A stack, with what starts, schedules and logs its work: what the local client stands on."""

from dataclasses import dataclass
from functools import cached_property

from pileus.edges.aws import Aws, Stack
from pileus.edges.dead_letters import DeadLetters
from pileus.edges.logs import WorkerLogs
from pileus.edges.message_sources import MessageSources
from pileus.edges.queues import Queues
from pileus.edges.schedules import Schedules
from pileus.edges.workflows import Workflows
from pileus.wiring import Edges, wire_dead_letters, wire_queues, wire_schedules, wire_sources, wire_workflows


@dataclass(frozen=True)
class Services:
    """Everything outside the process that a request may reach. Clients are made when they are first used."""

    aws: Aws
    edges: Edges
    logs: WorkerLogs

    @property
    def stack(self) -> Stack:
        """Return the names of what the stack made."""
        return self.edges.stack

    @cached_property
    def workflows(self) -> Workflows:
        """Return the stack's workflows."""
        return wire_workflows(self.aws, self.stack)

    @cached_property
    def schedules(self) -> Schedules:
        """Return the stack's schedules."""
        return wire_schedules(self.aws, self.stack)

    @cached_property
    def sources(self) -> MessageSources:
        """Return what hands messages to the stack."""
        return wire_sources(self.aws, self.stack)

    @cached_property
    def queues(self) -> Queues:
        """Return the stack's queues."""
        return wire_queues(self.aws, self.stack)

    @cached_property
    def dead_letters(self) -> DeadLetters:
        """Return the messages that no worker could deal with."""
        return wire_dead_letters(self.aws, self.stack)
