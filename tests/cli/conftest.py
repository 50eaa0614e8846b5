"""A facade that answers from memory, so that the command line is tested apart from the house behind it."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pyarrow as pa
import pytest

from mainstem import signals
from mainstem.cli.command import invoke
from mainstem.plan.explain import Explained, Told, Way
from mainstem.plan.guarantee import Guarantee
from mainstem.project.run import RunResult
from mainstem.spec.problems import Problem

ACCOUNT = [{"leg": "readings -> climate", "made": 12_345, "held_before": 0, "delivered": 12_000, "filtered": 300, "quarantined": 40,
            "late": 5, "held": 0,
            "reasons": {"quarantined: checked: rule": 40, "late: climate: late": 5, "filtered: fresh: duplicate": 300}}]


class FakePipeline:
    """Remembers what it was asked."""

    name = "greenhouse"

    def __init__(self, asked):
        self.asked, self.problems, self.result = asked, [], None

    def check(self):
        return self.problems

    def remarks(self):
        return []

    def plan(self, engine=None):
        columns = (("temperature", "double", "Cel"),)
        node = Told("climate", "climate", "Fold", "windows of 1m by house", ("located",), True, columns, "p")
        return Explained("greenhouse", "Climate", (node,), (Way("readings -> climate", "readings", "climate", ("checked",)),),
                         (("sensors", "sensor_id", "on_change"),), (Guarantee("climate", "exactly once", ("because",), True),),
                         ("a note",), "late rows are kept", {})

    def run(self, **flags):
        self.asked.append(("run", flags))
        signals.tell("run.progress", epoch=3, rows=12_345)
        signals.tell("log", level="info", message="hello")
        signals.tell("log", level="warning", message="careful")
        signals.tell("epoch.planned", epoch=3)
        if self.result:
            return self.result()
        return RunResult("run-1", "end", 0, "rel", "inc", account=ACCOUNT, outputs={"climate": {"version": 4, "rows": 12_000}},
                         epochs=3, rows=12_345, seconds=2.0)

    def look(self, step, limit):
        self.asked.append(("look", step, limit))
        return pa.table({"a": [1, 2]})

    def sql(self, text, at=None):
        self.asked.append(("sql", text, at))
        return pa.table({"name": pa.array(["a", "", None, 'q"x,'], pa.string()), "n": pa.array([1, 2, None, 4], pa.int64())})

    def runs(self, limit=50):
        return [{"run_id": "b", "started": "t", "ended": None, "seconds": None, "why": None, "rows": 1, "epochs": 0, "release": "r",
                 "host": "h"},
                {"run_id": "a", "started": "t", "ended": "u", "seconds": 1.5, "why": "failed: disk.full: long story", "rows": 2, "epochs": 1,
                 "release": "r", "host": "h"}][:limit]

    def show_run(self, run_id):
        self.asked.append(("show_run", run_id))
        return {"run_id": "a", "why": "end", "account": ACCOUNT, "manifests": [], "drift": {}, "files": [],
                "outputs": {"climate": {"version": 4, "rows": 9}}}

    def quarantine(self, **filters):
        self.asked.append(("quarantine", filters))
        return pa.table({"id": ["x"], "fate": ["quarantined"], "node": ["checked"], "reason": ["rule"],
                         "rules": pa.array([["cold", "wet"]], pa.list_(pa.string())), "detail": ["d"], "place": ["f:1"],
                         "event_time": pa.array([0], pa.timestamp("us", "UTC")), "epoch": [1], "published": [True],
                         "raw": [b"\xff\x00"]})

    def quarantine_show(self, record):
        return {"id": record, "rules": ["cold", "wet"], "detail": None, "raw": b'{"temperature": -300}'}

    def replay(self, ids=(), **filters):
        self.asked.append(("replay", tuple(ids), filters))
        return {"ordered": 2, "replayed": 2}

    def discard(self, ids=(), **filters):
        self.asked.append(("discard", tuple(ids), filters))
        return {"discarded": 1}

    def test(self, paths=()):
        return SimpleNamespace(cases=self.cases)

    def build(self):
        return {"release": "abc", "folder": "/f"}

    def config(self):
        return [("tasks", 2, "built-in"), ("lake", "lake", "mainstem.yaml:2:7")]

    def maintain(self, dry_run=False):
        self.asked.append(("maintain", dry_run))
        return {"journal_files": 3}

    def reset(self, dry_run=False):
        self.asked.append(("reset", dry_run))
        return {"dry_run": dry_run}


@pytest.fixture
def problem():
    return Problem("spec.unknown_key", "unknown key `szie`", "a.yaml", 3, 5, fix="did you mean `size`?")


@pytest.fixture
def face(monkeypatch):
    """`face("run", "-q")` gives the exit code; `.asked` what the facade heard; `.pipeline` the facade."""
    asked = []
    pipeline = FakePipeline(asked)
    fake = SimpleNamespace(
        open=lambda file, environment, flags: asked.append(("open", file, environment, flags)) or pipeline,
        schema=lambda: {"$schema": "http://json-schema.org/draft-07/schema#"},
        catalog=lambda: [{"what": "step", "kind": "window", "about": "Cuts time.", "options": [
            {"name": "size", "type": "Duration", "required": True, "default": None, "about": "how long"}]}],
        explain=lambda code: {"code": code, "title": "a title", "meaning": "It means.", "fix": "Do that."},
        init=lambda folder: ([f"{folder}/greenhouse.yaml"], []))
    monkeypatch.setitem(sys.modules, "mainstem.project", fake)
    monkeypatch.setattr("mainstem.project", fake, raising=False)
    for name in ("COLUMNS", "FORCE_COLOR", "CI"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments):
        return invoke(arguments)

    call.asked, call.pipeline = asked, pipeline
    return call
