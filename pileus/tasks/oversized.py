"""What a task of Cirrus answers goes on by its address, where it is too large for a step of a workflow."""

import json
from uuid import uuid4

from pileus.cirrus.payload import INLINE
from pileus.edges.store import Store

FOLDER = "cirrus/tmp/oversized"


def by_address(store: Store, bucket: str, answer: str) -> str:
    """Return an answer (JSON) as it is, or `{"url": ...}` of the object that holds a large one. The next task, and who
    records the end of the payload, read it there.
    """
    if len(json.dumps(answer)) <= INLINE:
        return answer
    url = f"s3://{bucket}/{FOLDER}/{uuid4().hex}.json"
    store.put(url, answer.encode(), "application/json")
    return json.dumps({"url": url})
