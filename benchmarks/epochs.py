"""3,000 micro-epochs: an epoch late in the run takes no longer than an early one, memory and the number of files stay bounded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jsonlines
import measure

EPOCHS, ROWS = 3000, 300              # rows of each
OURS = """
import json, os, resource, sys, time
from pathlib import Path
import mainstem
from mainstem import signals
from mainstem.plugs import Budget
from mainstem.project import run
from mainstem.project.place import locate

seconds, memory, files, last = [], [], [], time.perf_counter()

def heard(name, facts):
    global last
    if name != "run.progress":
        return
    now = time.perf_counter()
    seconds.append(now - last)
    if facts["epoch"] % 16 == 8:
        pages = int(Path("/proc/self/statm").read_text().split()[1]) if Path("/proc/self/statm").exists() else 0
        memory.append(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)
        files.append(sum(len(names) for folder in ("lake", ".mainstem") for _, _, names in os.walk(folder)))
    last = time.perf_counter()

rows = int(sys.argv[1])
with signals.listening(heard):
    run.run(locate("bench.yaml", None, {}), each=True, budget=Budget(rows, 1 << 20))
json.dump({"seconds": seconds, "memory": memory, "files": files}, open("epochs.json", "w"))
"""


def bench(cache: Path, rows: int | None, times: int) -> list[measure.Row]:  # noqa: ARG001 (one run is long enough)
    """Time of the last tenth against the first, memory and files of the last against the middle."""
    epochs = rows // ROWS if rows else EPOCHS
    source = cache / f"jsonlines-{epochs * ROWS}.jsonl"
    if not source.exists():
        jsonlines.write_input(source.with_suffix(".part"), epochs * ROWS)
        source.with_suffix(".part").rename(source)
    folder = cache / "epochs"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    # short horizons, so that the state is as large as it gets within the first tenth; tables may be tidied up at once
    pipeline = jsonlines.PIPELINE.replace("within: 5m", "within: 5s").replace("lateness: 2m", "lateness: 10s").replace("1m", "5s")
    (folder / "bench.yaml").write_text(pipeline % {"input": source})
    (folder / "mainstem.yaml").write_text("version: 1\nretention: {versions: 5s}\n")
    (folder / "ours.py").write_text(OURS)
    figures = measure.run([measure.BIN / "python", "ours.py", str(ROWS)], folder)
    found = json.loads((folder / "epochs.json").read_text())
    seconds, tenth = found["seconds"], max(len(found["seconds"]) // 10, 1)
    first, last = (sorted(some)[int(len(some) * 0.95)] for some in (seconds[:tenth], seconds[-tenth:]))
    half = len(found["memory"]) // 2
    memory = max(found["memory"][half:]) / max(found["memory"][:half])
    files = max(found["files"][half:]) / max(found["files"][:half])
    note = f"{len(seconds)} epochs of {ROWS} rows; p95 {first * 1e3:.0f} ms in the first tenth, {last * 1e3:.0f} ms in the last"
    return [measure.Row("epochs: time", last / first, "times", 2, 1.2, figures, note=note),
            measure.Row("epochs: memory", memory, "times", 1.25, 1.1, note=f"{found['memory'][0]:.0f} to {found['memory'][-1]:.0f} MB"),
            measure.Row("epochs: files", files, "times", 1.5, 1.1, note=f"{found['files'][0]} to {max(found['files'])} files")]
