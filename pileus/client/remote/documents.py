"""Documents through the HTTP API; see `protocol.Documents`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pileus.client.answers import Populated, RuleAnswer, ZonesAnswer
from pileus.client.remote.http import Http, segment
from pileus.errors import UsageError
from pileus.project.registry import Registry


@dataclass(frozen=True)
class RemoteDocuments:
    """Documents of the stack behind a server."""

    http: Http

    def registry(self) -> Registry:
        """Return all that is populated; empty where nothing is."""
        return Registry.from_json(self.http.read("/v1/registry"))

    def populate(
        self, registry: Registry, zones: Mapping[str, bytes] | None = None, *, only_check: bool = False
    ) -> Populated:
        """Give the stack these documents in place of its own: all or none. Raises DocumentError for the first wrong."""
        for key, body in (zones or {}).items():
            kept = self.keep_zones(key.rpartition("/")[2], body)
            if kept.key != key:
                raise UsageError(f"the server keeps it as {kept.key}: is it of another version?", where=key)
        given = json.loads(registry.to_json())
        return Populated.model_validate(self.http.change("PUT", "/v1/registry", given, check=only_check))

    def zones(self, collection: str, version: str | None = None) -> dict[str, Any]:
        """Return the zones of a collection as GeoJSON in longitude and latitude. Raises Unknown."""
        found: dict[str, Any] = self.http.json(f"/v1/collections/{segment(collection)}/zones", version=version)
        return found

    def keep_zones(self, name: str, body: bytes) -> ZonesAnswer:
        """Keep a file of zones under its content. Raises ZonesError for what is none."""
        return ZonesAnswer.model_validate(self.http.change("PUT", f"/v1/zones/{segment(name)}", body=body))

    def rules(self, *, firings: int = 3) -> list[RuleAnswer]:
        """Return all rules by name, each with the next times at which it fires."""
        return [RuleAnswer.model_validate(one) for one in self.http.json("/v1/rules", firings=firings)]

    def rule(self, name: str, *, firings: int = 3) -> RuleAnswer:
        """Return a rule, with the next times at which it fires. Raises Unknown."""
        return RuleAnswer.model_validate(self.http.json(f"/v1/rules/{segment(name)}", firings=firings))

    def set_rule(self, name: str, *, enabled: bool) -> list[str]:
        """Let a rule fire, or stop it; return the onetime rules that began. Raises Unknown."""
        word = "enable" if enabled else "disable"
        answer = self.http.change("POST", f"/v1/rules/{segment(name)}/{word}")
        return list(answer["started"])

    def fire(self, name: str, message: Mapping[str, Any] | None = None) -> str:
        """Fire a rule now, in any state: one that fires with messages with this one. Return the ARN of the execution.
        Raises Unknown, UsageError, and DocumentError for a message that is a wrong CNM.
        """
        place = f"/v1/rules/{segment(name)}/run"
        return str(self.http.change("POST", place, None if message is None else dict(message))["execution"])
