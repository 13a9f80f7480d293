"""Fixtures that every spec may name."""

from hypothesis import settings

from spec.servers.fixtures import apache, aws, lighttpd, nginx, python_server, sshd, vsftpd
from spec.stack import project, stack

__all__ = ["apache", "aws", "lighttpd", "nginx", "project", "python_server", "sshd", "stack", "vsftpd"]

# Machines differ: how long an example takes says nothing about what is right.
settings.register_profile("pileus", deadline=None)
settings.load_profile("pileus")
