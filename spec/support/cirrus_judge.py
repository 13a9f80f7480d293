"""What cirrus-geo says of payloads: a JSON list on standard input, a list of answers on standard output. Runs in an
environment of its own, over nothing of ours.
"""

import copy
import json
import os
import sys
from typing import Any

WORKFLOWS = "arn:aws:states:us-east-1:000000000000:stateMachine:cirrus-"


def answer(payload: Any) -> dict[str, Any]:
    from cirrus.lib.payload_manager import PayloadManager, PayloadManagers
    from cirrus.management.utils.templating import template_payload

    if "template" in payload:
        try:
            return {"text": template_payload(payload["template"], dict(payload["variables"]), payload["silent"])}
        except (KeyError, ValueError) as error:
            return {"refused": str(error)}
    try:
        manager = PayloadManager(copy.deepcopy(payload), set_id_if_missing=True)
    except Exception as error:  # noqa: BLE001  (whatever it raises, the payload is refused)
        return {"refused": f"{type(error).__name__}: {error}"}
    found = manager.payload
    arn = PayloadManagers.gen_execution_arn(found["id"], found.process_definition["workflow"], payload.get("before"))
    return {"id": found["id"], "next": list(manager.next_payloads()), "execution": arn.rpartition(":")[2]}


if __name__ == "__main__":
    os.environ |= {"CIRRUS_BASE_WORKFLOW_ARN": WORKFLOWS, "AWS_DEFAULT_REGION": "us-east-1"}
    json.dump([answer(payload) for payload in json.load(sys.stdin)], sys.stdout)
