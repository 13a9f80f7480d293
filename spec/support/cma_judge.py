"""The command line of the Cumulus Message Adapter as its zip has it, over the installed package and nothing of ours:
`python spec/support/cma_judge.py FUNCTION`, or `stream`. The package that registries carry has no command line.
"""

import json
import sys
from typing import Any

from message_adapter.message_adapter import MessageAdapter


def answer(function: str, given: dict[str, Any]) -> Any:
    adapter, event = MessageAdapter(given.get("schemas")), given["event"]
    if function == "loadAndUpdateRemoteEvent":
        return adapter.load_and_update_remote_event(event, given.get("context"))
    if function == "loadNestedEvent":
        return adapter.load_nested_event(event)
    if function == "createNextEvent":
        return adapter.create_next_event(given["handler_response"], event, given.get("message_config"))
    raise ValueError(f"Unknown function name {function}")


def stream() -> None:
    lines: list[str] = []
    while (line := sys.stdin.readline().rstrip("\n")) != "<EXIT>":
        if line != "<EOC>":
            lines.append(line)
            continue
        print(json.dumps(answer(lines[0].strip(), json.loads("".join(lines[1:])))))
        print("<EOC>", flush=True)
        lines.clear()


def main() -> int:
    try:
        if sys.argv[1] == "stream":
            stream()
            return 0
        if found := answer(sys.argv[1], json.loads(input())):
            sys.stdout.write(json.dumps(found))
            return 0
    except LookupError as error:
        sys.stderr.write("Lookup error: " + str(error))
    except Exception as error:  # noqa: BLE001  (as the zip does)
        sys.stderr.write(f"Unexpected Error {type(error)}. {error}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
