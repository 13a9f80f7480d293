"""Cumulus messages of every kind that the adapter's own examples have, and what a task answers to each."""

from typing import Any

BUCKET = "cumulus-internal"
META: dict[str, Any] = {"cumulus_meta": {"message_source": "local", "id": "id-1234"}, "meta": {"foo": "bar"}}
SFN = {
    "message_source": "sfn",
    "state_machine": "arn:aws:states:us-east-1:1234:stateMachine:MySfn",
    "execution_name": "MyExecution__id-1234",
    "id": "id-1234",
    "system_bucket": BUCKET,
}
GRANULES = [
    {"version": "A", "files": [{"filename": "a1"}, {"filename": "a2"}]},
    {"version": "B", "files": [{"filename": "b1"}]},
]
TEMPLATES = {
    "inlinestr": "prefix{meta.foo}suffix{meta.foo2}",
    "inlineignore": "prefix{random}should{meta.foo}",
    "array": "{[$.meta.foo]}",
    "object": "{{$.meta}}",
    "one": "{$.payload.anykey}",
    "deep": [{"at": "{$.meta.foo}"}, 1, None, True],
    "none": "{$.meta.nothing}",
    "nones": "{[$.meta.nothing]}",
}
OUTPUTS = {
    "input": "{$.payload.input}",
    "outputs": [
        {"source": "{$.input.anykey}", "destination": "{$.payload.out}"},
        {"source": "{{$.input}}", "destination": "{{$.meta.deep.er.still}}"},
    ],
}
ARRAYS = {
    "input": "{$.payload.input}",
    "outputs": [
        {"source": "{[$.input.granules[*].version]}", "destination": "{$.payload.names}"},
        {"source": "{[$.input.granules[*].files[*].filename]}", "destination": "{$.payload.files}"},
    ],
}
CONTEXT = {"function_name": "MyTask", "function_version": "7", "invoked_function_arn": "arn:aws:lambda:x:1:function:t"}


def remote(key: str, target: str, **more: Any) -> dict[str, Any]:
    """A message of which a part lies in S3."""
    replace = {"Bucket": BUCKET, "Key": key, "TargetPath": target}
    return {"cumulus_meta": SFN, "meta": {"foo": "bar", "part": {}}, "replace": replace} | more


def parameters(**cma: Any) -> dict[str, Any]:
    """What a state's Parameters make of a message."""
    event = {"cumulus_meta": SFN, "meta": {"foo": "bar", "foo2": "2"}, "payload": {"anykey": "anyvalue"}}
    return {"cma": {"event": event} | cma}


STORED: dict[str, Any] = {
    "whole.json": {
        "meta": {"foo": "stored"},
        "payload": {"anykey": "far"},
        "task_config": TEMPLATES,
        "exception": None,
    },
    "part.json": {"more": [1, 2]},
    "text.json": "a text",
}
"""Objects in the bucket."""
PLAIN = META | {"payload": {"anykey": "anyvalue"}}
INPUT = META | {"payload": {"input": {"anykey": "anyvalue", "granules": GRANULES}}, "exception": "None"}
MESSAGES: dict[str, dict[str, Any]] = {
    "basic": PLAIN | {"task_config": {"bar": "baz"}},
    "no_config": PLAIN,
    "no_payload": META,
    "null_exception": PLAIN | {"exception": None},
    "workflow_config": PLAIN | {"workflow_config": {"Example": TEMPLATES}},
    "templates": PLAIN | {"meta": {"foo": "bar", "foo2": "bar2"}, "task_config": TEMPLATES},
    "jsonpath": INPUT | {"task_config": {"bar": "baz", "cumulus_message": OUTPUTS}},
    "jsonpath_array": INPUT | {"task_config": {"cumulus_message": ARRAYS}},
    "execution": PLAIN | {"cumulus_meta": SFN},
    "cumulus_context": PLAIN | {"cumulus_meta": SFN | {"cumulus_context": {"any": "value"}}},
    "workflow_tasks": INPUT | {"meta": {"workflow_tasks": {"0": {"name": "first", "version": "1", "arn": "a"}}}},
    "remote": remote("whole.json", "$"),
    "remote_part": remote("part.json", "$.meta.part", payload={"a": 1}),
    "remote_text": remote("text.json", "$.meta.foo", payload={"a": 1}),
    "exception": remote("whole.json", "$", exception={"message": "Workflow failed"}),
    "parameters": parameters(task_config=TEMPLATES),
    "parameters_outputs": parameters(task_config={"cumulus_message": {"input": "{{$.payload}}"}}),
    "stored_whole": parameters(ReplaceConfig={"FullMessage": True}, task_config={"a": 1}),
    "stored_payload": parameters(ReplaceConfig={"MaxSize": 1, "Path": "$.payload", "TargetPath": "$.payload"}),
    "stored_elsewhere": parameters(ReplaceConfig={"MaxSize": 1, "Path": "$.payload", "TargetPath": "$.meta"}),
    "stored_text": parameters(ReplaceConfig={"MaxSize": 1, "Path": "$.meta.foo"}),
    "small_enough": parameters(ReplaceConfig={"MaxSize": 100_000, "Path": "$.payload"}, task_config={"a": 1}),
}
"""By name. A task answers each with what it was called with, less `messageConfig`."""
