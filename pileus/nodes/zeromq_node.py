"""The node of type `zeromq`: a service elsewhere that speaks ZeroMQ.

[far]
type = zeromq
host = far.example.org
keys = keys                     a folder of keys; without it, nothing is encrypted
key = laptop                    name of our own key there
server_key = server             name of the node's public key there
patience = 10                   seconds without an answer after which it is lost
"""

from pileus.nodes.service_node import ServiceNode
from pileus.nodes.settings import HERE, Section
from pileus.nodes.zeromq_messages import REQUEST_PORT
from pileus.nodes.zeromq_service import PATIENCE, Address, ZeromqService


def zeromq_node(section: Section) -> ServiceNode:
    """Return the node of a section. Nothing is sent. Raises UsageError where a key that it names is not there."""
    host, port = section.text("host", HERE), section.number("request_port", REQUEST_PORT)
    address = Address(host, port, section.number("patience", PATIENCE))
    if folder := section.path("keys"):
        own, server = section.text("key", "client"), section.text("server_key", "server")
        address = Address.with_keys(host, port, address.patience, folder, own, server)
    service = ZeromqService(address)
    return ServiceNode(section.name, service, service.close)
