"""What a run leaves in the ledger: that it began, every manifest, and why it ended."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgspec

from mainstem import signals
from mainstem.clock import Clock, uuid7
from mainstem.engines.journal import Journal, Manifest
from mainstem.errors import RefusedError, TransientError

if TYPE_CHECKING:
    from mainstem.project.place import Opened
    from mainstem.project.run import RunResult


class History:
    """One run's line in the ledger. The ledger is a projection: losing it loses no data."""

    def __init__(self, opened: Opened, release: str, incarnation: str, clock: Clock, engine: str) -> None:
        self._clock = clock
        self._mine = {"pipeline": opened.name, "environment": opened.environment}
        self.run_id = uuid7(clock.now())
        self._waiting: list[Manifest] = []
        self._opening: Future[Any] | None = None
        self._begin = self._beginning(opened, release, incarnation, engine)

    def open(self) -> Future[Any]:
        """Open the ledger and write that the run began: in a thread, best called when the first rows are being read."""
        if self._opening is None:
            thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
            self._opening = thread.submit(self._begin)
            thread.shutdown(wait=False)
        return self._opening

    def _beginning(self, opened: Opened, release: str, incarnation: str, engine: str) -> Callable[[], Any]:
        started = self._clock.now()

        def begin() -> Any:
            from mainstem.ledger import register, runs, store

            opened_store = store.open_store(opened.settings.ledger_url)
            runs.start(
                opened_store,
                run_id=self.run_id,
                pipeline=opened.name,
                environment=opened.environment,
                incarnation=incarnation,
                release=release,
                started=started,
                engine=engine,
                host=socket.gethostname(),
                pid=os.getpid(),
            )
            register.release(opened_store, release=release, created=started, **self._mine)
            return opened_store

        return begin

    @property
    def store(self) -> Any:
        """The open ledger. Raises what opening it raised."""
        return self.open().result()

    def finished(self, manifest: Manifest) -> None:
        """Project a manifest; a ledger that is away for now does not stop the data, it is caught up with the next one."""
        self._waiting.append(manifest)
        try:
            self._project()
        except TransientError as error:
            signals.tell("log", level="warning", message=f"the ledger waits: {error}")

    def _project(self) -> None:
        from mainstem.ledger import runs

        for waiting in tuple(self._waiting):
            runs.project_manifest(self.store, self.run_id, msgspec.to_builtins(waiting))
            self._waiting.remove(waiting)

    def caught_up(self, homes: Iterable[Journal]) -> None:
        """Project every manifest that is newer than what is known: of runs that died or found the ledger full, of a lost ledger."""
        from mainstem.ledger import runs

        missing = []
        for home in homes:
            known = runs.newest(self.store, home.incarnation)
            for epoch in home.epochs("manifest"):
                with contextlib.suppress(RefusedError):         # a damaged one; who needs more of it than history says so
                    missing += [msgspec.to_builtins(home.manifest(epoch))] if epoch > known else []
        runs.rebuild(self.store, missing)

    def ended(self, result: RunResult) -> None:
        """The run ended as its result says; what was wrong before is over."""
        from mainstem.ledger import register

        register.resolved(self.store, **self._mine)
        met = {"drift": result.drift, "files": result.files, "outcomes": result.outcomes, "notes": result.notes, "seams": result.seams}
        self._end(result.why, result.exit_code, result.rows, result.epochs, result.account, met)

    def failed(self, error: BaseException) -> None:
        """The run ended with an error; the ledger keeps its code and text, unless the same keeps the ledger from being written."""
        from mainstem.ledger import register

        code = getattr(error, "code", type(error).__name__)
        try:
            register.incident(self.store, code=code, message=str(error), run_id=self.run_id, seen=self._clock.now(), **self._mine)
            self._end(f"failed: {code}: {error}", getattr(error, "exit_code", 1), 0, 0, [])
        except TransientError as other:
            signals.tell("log", level="warning", message=f"the ledger does not know how this run ended: {other}")

    def _end(self, why: str, exit_code: int, rows: int, epochs: int, account: list[dict[str, Any]],
             met: dict[str, Any] | None = None) -> None:
        from mainstem.ledger import runs

        self._project()
        runs.end(
            self.store,
            run_id=self.run_id,
            ended=self._clock.now(),
            why=why,
            exit_code=exit_code,
            rows=rows,
            epochs=epochs,
            account=account,
            met=met,
        )
        self.store.close()
