"""What a run leaves in the ledger: that it began, every manifest, and why it ended."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

import msgspec

from mainstem import signals
from mainstem.clock import Clock, uuid7
from mainstem.engines.journal import Manifest
from mainstem.errors import TransientError

if TYPE_CHECKING:
    from mainstem.project.place import Opened
    from mainstem.project.run import RunResult


class History:
    """One run's line in the ledger. The ledger is a projection: losing it loses no data."""

    def __init__(self, opened: Opened, release: str, incarnation: str, clock: Clock) -> None:
        from mainstem.ledger import register, runs, store

        self._runs, self._register, self._clock = runs, register, clock
        self._mine = {"pipeline": opened.name, "environment": opened.environment}
        self.run_id = uuid7(clock.now())
        self._waiting: list[Manifest] = []
        self._store = store.open_store(opened.settings.ledger_url)
        runs.start(
            self._store,
            run_id=self.run_id,
            pipeline=opened.name,
            environment=opened.environment,
            incarnation=incarnation,
            release=release,
            started=clock.now(),
            engine="local",
            host=socket.gethostname(),
            pid=os.getpid(),
        )
        plan = str(opened.work / "releases" / release / "plan.json")
        register.release(self._store, release=release, created=clock.now(), plan=plan, **self._mine)

    def finished(self, manifest: Manifest) -> None:
        """Project a manifest; a ledger that is away for now does not stop the data, it is caught up with the next one."""
        self._waiting.append(manifest)
        try:
            for waiting in tuple(self._waiting):
                self._runs.project_manifest(self._store, self.run_id, msgspec.to_builtins(waiting))
                self._waiting.remove(waiting)
        except TransientError as error:
            signals.tell("log", level="warning", message=f"the ledger waits: {error}")

    def caught_up(self, manifest: Manifest) -> None:
        """Project what an earlier run finished just before it died."""
        self._runs.rebuild(self._store, [msgspec.to_builtins(manifest)])

    def ended(self, result: RunResult) -> None:
        """The run ended as its result says; what was wrong before is over."""
        self._register.resolved(self._store, **self._mine)
        met = {"drift": result.drift, "files": result.files, "notes": result.notes}
        self._end(result.why, result.exit_code, result.rows, result.epochs, result.account, met)

    def failed(self, error: BaseException) -> None:
        """The run ended with an error; the ledger keeps its code and text."""
        code = getattr(error, "code", type(error).__name__)
        self._register.incident(self._store, code=code, message=str(error), run_id=self.run_id, seen=self._clock.now(), **self._mine)
        self._end(f"failed: {code}: {error}", getattr(error, "exit_code", 1), 0, 0, [])

    def _end(self, why: str, exit_code: int, rows: int, epochs: int, account: list[dict[str, Any]],
             met: dict[str, Any] | None = None) -> None:
        self._runs.end(
            self._store,
            run_id=self.run_id,
            ended=self._clock.now(),
            why=why,
            exit_code=exit_code,
            rows=rows,
            epochs=epochs,
            account=account,
            met=met,
        )
        self._store.close()
