"""What does payloads with the image of a stranger on ECS, by the task definition of a template."""

import json
from pathlib import Path
from typing import Any

from pileus.documents import parse_value
from pileus.documents.task import TaskDefinition
from pileus.edges.aws import Aws
from pileus.edges.ecs_tasks import AwsEcsTasks, EcsPlace
from pileus.edges.store import S3Store
from pileus.worker.container_payloads import ContainerPayloads
from pileus.worker.ecs_containers import EcsContainers
from spec.support.ecs_agent import EcsAgent
from spec.support.stranger import defined
from spec.support.synthesized import IMAGE as OURS
from spec.support.synthesized import synthesize

PLACE = EcsPlace("pileus", "pileus-image-theirs", "pileus-images", "/pileus/pileus/image-theirs")
BUCKET = "ecs-payloads"


class Ecs:
    """Makes what does payloads with the image, as a worker on AWS would."""

    def __init__(self, folder: Path, aws: Aws, ours: str) -> None:
        self.folder, self.aws, self.ours = folder, aws, ours
        self.agents = list[EcsAgent]()

    def __call__(self, command: list[str], *, memory: int = 512, **fields: Any) -> ContainerPayloads:
        told = defined(command, memory=memory, **fields)
        definition, agent = parse_value(TaskDefinition, told, "task.json"), self.agent(told)
        tasks = AwsEcsTasks(agent, agent, PLACE)  # type: ignore[arg-type]
        store = S3Store(self.aws.s3)
        there = EcsContainers("theirs", definition, tasks, store, BUCKET, memory=memory, poll=0.2)
        return ContainerPayloads("theirs", there, store.get)

    def agent(self, told: dict[str, Any]) -> EcsAgent:
        """Return what runs the definition of a task. `told`: its task.json."""
        self.agents.append(EcsAgent(self._synthesized(told), processes=576))
        return self.agents[-1]

    def _synthesized(self, told: dict[str, Any]) -> dict[str, Any]:
        """The task definition of the template, with images that are here in place of those of a registry."""
        project = self.folder / f"project-{len(self.agents)}"
        (project / "tasks/theirs").mkdir(parents=True)
        (project / "tasks/theirs/task.json").write_text(json.dumps(told))
        workers = synthesize({"worker_image": OURS}, project=project).workers
        found = workers.all("AWS::ECS::TaskDefinition").values()
        (definition,) = (one for one in found if one["Family"] == "pileus-image-theirs")
        for one in definition["ContainerDefinitions"]:
            one["Image"] = told["image"] if one["Name"] == "task" else self.ours
        return dict(definition)
