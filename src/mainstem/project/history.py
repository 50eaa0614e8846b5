"""What a run leaves in the ledger: that it began, every manifest, and why it ended."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

import msgspec

from mainstem.clock import Clock, uuid7
from mainstem.engines.journal import Manifest

if TYPE_CHECKING:
    from mainstem.project.place import Opened
    from mainstem.project.run import RunResult


class History:
    """One run's line in the ledger. The ledger is a projection: losing it loses no data."""

    def __init__(self, opened: Opened, release: str, incarnation: str, clock: Clock) -> None:
        from mainstem.ledger import runs, store

        self._runs, self._clock = runs, clock
        self.run_id = uuid7(clock.now())
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

    def finished(self, manifest: Manifest) -> None:
        """Project a manifest."""
        self._runs.project_manifest(self._store, self.run_id, msgspec.to_builtins(manifest))

    def ended(self, result: RunResult) -> None:
        """The run ended as its result says."""
        self._end(result.why, result.exit_code, result.rows, result.epochs, result.account)

    def failed(self, error: BaseException) -> None:
        """The run ended with an error; the ledger keeps its code and text."""
        code = getattr(error, "code", type(error).__name__)
        self._end(f"failed: {code}: {error}", getattr(error, "exit_code", 1), 0, 0, [])

    def _end(self, why: str, exit_code: int, rows: int, epochs: int, account: list[dict[str, Any]]) -> None:
        self._runs.end(
            self._store,
            run_id=self.run_id,
            ended=self._clock.now(),
            why=why,
            exit_code=exit_code,
            rows=rows,
            epochs=epochs,
            account=account,
        )
