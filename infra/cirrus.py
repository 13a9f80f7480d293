"""What Cirrus's own tools look for: the table of payloads with Cirrus's schema, and the parameters that lead to it.

/cirrus/deployments/STACK     where the others are: the tools list deployments by these
/pileus/STACK/cirrus/NAME     one for each variable of Cirrus's environment that its command line needs
"""

import json
from collections.abc import Mapping

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from infra.settings import Settings
from pileus.cirrus.rows import BY_CHANGE, BY_STATE

DEPLOYMENTS = "/cirrus/deployments/"


def payload_table(scope: Construct, settings: Settings) -> dynamodb.Table:
    """Return the table of payloads. Its two indexes can only be made with it."""
    text = dynamodb.AttributeType.STRING
    table = dynamodb.Table(
        scope,
        "Payloads",
        table_name=f"{settings.stack}-payloads",
        partition_key=dynamodb.Attribute(name="collections_workflow", type=text),
        sort_key=dynamodb.Attribute(name="itemids", type=text),
        billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
        removal_policy=RemovalPolicy.DESTROY,
    )
    for name in (BY_STATE, BY_CHANGE):
        table.add_local_secondary_index(index_name=name, sort_key=dynamodb.Attribute(name=name, type=text))
    return table


class CirrusPointer(Construct):
    """The parameters by which Cirrus's command line finds a stack. `names`: those of the stack."""

    def __init__(self, scope: Construct, *, names: Mapping[str, str]) -> None:
        super().__init__(scope, "CirrusPointer")
        stack = names["PILEUS_STACK"]
        place = f"/pileus/{stack}/cirrus/"
        variables = {
            "CIRRUS_BASE_WORKFLOW_ARN": names["PILEUS_WORKFLOWS"],
            "CIRRUS_PAYLOAD_BUCKET": names["PILEUS_INTERNAL"],
            "CIRRUS_PREFIX": f"{stack}-",
            "CIRRUS_PROCESS_QUEUE_URL": names["PILEUS_PROCESS"],
            "CIRRUS_STATE_DB": names["PILEUS_PAYLOADS"],
        }
        for name, value in variables.items():
            id = name.title().replace("_", "")
            ssm.StringParameter(self, id, parameter_name=f"{place}{name}", string_value=value)
        pointer = json.dumps({"type": "parameter_store", "value": place})
        ssm.StringParameter(self, "Pointer", parameter_name=f"{DEPLOYMENTS}{stack}", string_value=pointer)
