"""What Spark itself wrote down about the jobs of a run."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Job:
    """A job: its description, and the successful tasks of each of its stages."""

    what: str
    stages: dict[int, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    @property
    def result_bytes(self) -> int:
        """Bytes that its tasks sent to the driver."""
        return sum(task["Task Metrics"]["Result Size"] for tasks in self.stages.values() for task in tasks)


def jobs(folder: Path, beginning: str) -> list[Job]:
    """The jobs whose description begins so, in the order in which they began."""
    found: dict[int, Job] = {}
    owner: dict[int, int] = {}
    for file in folder.iterdir():
        for line in file.read_text().splitlines():
            event = json.loads(line)
            if event["Event"] == "SparkListenerJobStart":
                what = event["Properties"].get("spark.job.description", "")
                if what.startswith(beginning):
                    found[event["Job ID"]] = Job(what)
                    owner |= dict.fromkeys(event["Stage IDs"], event["Job ID"])
            elif event["Event"] == "SparkListenerTaskEnd" and event["Stage ID"] in owner and _good(event):
                found[owner[event["Stage ID"]]].stages[event["Stage ID"]].append(event)
    return [found[number] for number in sorted(found)]


def _good(event: Any) -> bool:
    return bool(event["Task End Reason"]["Reason"] == "Success")
