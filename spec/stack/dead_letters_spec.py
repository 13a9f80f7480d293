"""Dead letters: listed, shown, and run again."""

import json

from spec.support import tiny
from spec.support.stack import Project


def bury(project: Project, body: str) -> None:
    """As a worker does with what killed too many."""
    project.aws.sqs.send_message(QueueUrl=project.running.stack["PILEUS_BACKFILL_DEAD"], MessageBody=body)


def test_none_is_said(stack: Project) -> None:
    assert "no dead letters" in stack.pileus("dead-letters", "list")


def test_a_group_is_listed_shown_and_run_again(stack: Project) -> None:
    tiny.collection(stack, "deadly", "201501", "201501")
    tiny.publish(stack, "deadly", "201501", body=b"no archive")
    stack.pileus("populate")
    stack.pileus("backfill", "deadly", "--name", "deadly", "--wait", code=1)
    config = {"backfill": "deadly", "run": 1, "partition": "deadly/001/2015-01/201501"}
    bury(stack, json.dumps({"token": "t", "task": {"config": config, "input": {}}}))

    (letter,) = stack.json("dead-letters", "list")
    assert (letter["partition"], letter["backfill"], letter["queue"]) == (config["partition"], "deadly", "backfill")
    assert letter["why"].startswith("Corrupt"), "as the index says"
    assert json.loads(stack.pileus("dead-letters", "show", letter["id"]))["task"]["config"] == config

    tiny.publish(stack, "deadly", "201501")
    backfill = stack.pileus("dead-letters", "redrive", letter["id"]).strip()
    stack.wait_until_over(backfill)
    assert stack.json("status", backfill)["state"] == "succeeded"
    assert stack.json("dead-letters", "list") == []


def test_strangers_are_shown_and_stay(stack: Project) -> None:
    bodies = ["hello", '{"hello": []}', '{"task": {"config": {"partition": 7}}}']
    for body in bodies:
        bury(stack, body)
    found = stack.json("dead-letters", "list")
    assert [letter["why"] for letter in found] == ["not a message of ours"] * 3
    assert all("hello" in stack.pileus("dead-letters", "show", letter["id"]) for letter in found[:2])
    assert "stays" in stack.pileus("dead-letters", "redrive", found[2]["id"], code=2)
    assert len(stack.json("dead-letters", "list")) == 3


def test_an_unknown_id_is_one_line_and_exit_2(stack: Project) -> None:
    said = stack.pileus("dead-letters", "show", "nothing", code=2)
    assert len(said.strip().splitlines()) == 1
