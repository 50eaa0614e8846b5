"""Everything that a pipeline leaves behind, by content: what no crash may change.

Tables and quarantine as an outside reader of Delta finds them, the rows of state of every fold, the times that judge what comes
next, the account of every leg as the journal has it, and as the ledger has it. Paths, epochs and moments are left out.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from mainstem.batch import AT, NONE
from mainstem.engines import journal, law
from mainstem.engines.fold import fold_kernel
from mainstem.engines.journal import Journal, Prepared
from mainstem.plan.words import Fold, Plan, Read, Write
from mainstem.project import aside, reading, release
from mainstem.project.place import Opened, locate

LUCK = ("luck", "lucks")                                  # what the step made that is not deterministic
_CUT = ("clock", "epoch", "incarnation", "release")       # of a quarantine row: which epoch set it aside, and when
_COUNTS = ("made", "delivered", "filtered", "quarantined", "late", "held")


@functools.lru_cache(maxsize=4)
def _opened(file: Path) -> Opened:
    """The file is the same as long as a test looks at it: it is read once."""
    return locate(file, None, {})


def remains(file: Path, luck: bool = False) -> dict[str, Any]:
    """All of it, comparable with `==`; without what a step that is not deterministic made, unless `luck`."""
    opened = _opened(file)
    homes = journal.incarnations(opened.work)
    prepared = homes[-1].epochs("prepared")
    manifests = homes[-1].epochs("manifest")
    assert prepared == [] or prepared[-1] == manifests[-1], "an epoch that was decided is not finished"
    found: dict[str, Any] = {"tables": tables(opened, luck), "quarantine": quarantine(opened, luck)}
    if prepared:
        head = homes[-1].prepared(prepared[-1])
        found["state"] = state(opened.work, release.plan_of(opened.work, head.release), head, luck)
        found["times"] = {"marks": head.marks, "carry": head.carry, "held": head.held}
    current = _since_rebuild(homes)
    found["account"] = _account([row for home in current for row in _legs(home)])
    names = {home.incarnation for home in current}
    ledger = reading.relations(opened)
    found["ledger"] = _account([(row["leg"], row | {"reasons": json.loads(row["reasons"])}) for row in ledger["legs"]().to_pylist()
                                if row["incarnation"] in names])
    found["unended"] = [row["run_id"] for row in ledger["runs"]().to_pylist() if row["ended"] is None]
    return found


def tables(opened: Opened, luck: bool = False) -> dict[str, list[str]]:
    """The rows of every output: the same for a reader through mainstem and for one that knows nothing of it."""
    plan, found = opened.plan, {}
    for node in plan.of(Write):
        assert isinstance(node.word, Write)
        found[node.step] = texts(reading.read(opened, node.step), luck)
        if node.word.sink == "files":
            folder = opened.folder / node.word.options["path"]
            count = sum(len(path.read_text().splitlines()) - 1 for path in folder.glob("[0-9]*/*.csv"))
            assert count == len(found[node.step]), f"{node.step}: the folder does not hold what is published"
        else:
            theirs = texts(_outside(opened, node.word.options["table"]), luck)
            assert theirs == found[node.step], f"{node.step}: the newest version of the table is not the one that is published"
    return found


def _outside(opened: Opened, table: str) -> pa.Table:
    """All rows of the newest version, as its log says and nobody else."""
    log = DeltaTable(str(Path(opened.settings.lake_folder) / table))
    parts = [pq.read_table(path, partitioning=None) for path in log.file_uris()]
    return pa.concat_tables([pa.schema(log.schema()).empty_table(), *parts], promote_options="permissive")


def quarantine(opened: Opened, luck: bool = False) -> list[str]:
    """Every row that was set aside and what became of it, with nothing that says in which epoch."""
    rows = aside.everything(opened)
    assert all(rows.column("published").to_pylist())
    assert rows.num_rows == _outside(opened, f"{opened.name}_quarantine").num_rows
    if not luck:
        place = rows.column_names.index("row")
        rows = rows.set_column(place, "row", pa.array([_plain(text) for text in rows.column("row").to_pylist()], pa.string()))
    return texts(rows.drop_columns(list(_CUT)), luck)


def _plain(row: str | None) -> str | None:
    return row and json.dumps({name: value for name, value in json.loads(row).items() if name not in LUCK})


def state(work: Path, plan: Plan, head: Prepared, luck: bool = False) -> dict[str, list[str]]:
    """The rows that every fold would begin the next epoch with, read from its files alone."""
    found = {}
    for fold in plan.of(Fold):
        mark = head.marks.get(fold.name, NONE)
        parts = [_state_file(work, file) for file in head.state if file.node == fold.name]
        if parts:
            rows = pa.concat_tables(parts)
            rows = fold_kernel(fold).compact(fold, rows.filter(pa.compute.greater(rows.column("_until"), mark)), mark)
            found[fold.name] = texts(_cutless(plan, rows), luck)
    return found


def _state_file(work: Path, file: Any) -> pa.Table:
    content = (work / file.path).read_bytes()
    assert (len(content), hashlib.sha256(content).hexdigest()) == (file.bytes, file.sha256), file.path
    return pa.ipc.open_file(content).read_all()


def _cutless(plan: Plan, rows: pa.Table) -> pa.Table:
    """Without what says how epochs were cut: the place of a row among those of its task, the position of a row that a step made."""
    if AT not in rows.column_names:
        return rows
    made = {plan.origins.index(node.name) for node in plan.nodes if node.name in plan.origins and not isinstance(node.word, Read)}
    ats = [one | {"i": 0} | ({"n": 0, "c": 0} if one["o"] in made else {}) for one in rows.column(AT).to_pylist()]
    return rows.set_column(rows.column_names.index(AT), AT, pa.array(ats, rows.schema.field(AT).type))


def texts(rows: pa.Table, luck: bool) -> list[str]:
    """Rows as sorted lines, so that they compare as a multiset and a difference can be read."""
    names = [name for name in rows.column_names if luck or name not in LUCK]
    return sorted(json.dumps(row, default=str, sort_keys=True) for row in rows.select(names).to_pylist())


# ------------------------------------------------------------------------------------------------ the account


def _since_rebuild(homes: list[Journal]) -> list[Journal]:
    """The incarnations that made what is there now: a rebuild replaces what the ones before it left."""
    births = [home.birth()["why"] for home in homes]
    return homes[max((number for number, why in enumerate(births) if why.startswith("rebuild")), default=0):]


def _legs(home: Journal) -> list[tuple[str, Mapping[str, Any]]]:
    return [leg for epoch in home.epochs("manifest") for leg in home.manifest(epoch).account.items()]


def _account(legs: list[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """Added up per leg; a leg on which nothing ever went is left out, for an empty epoch may have one."""
    total: dict[str, dict[str, Any]] = {}
    for leg, row in legs:
        law.add(total, {leg: row})
    return {leg: {**{name: row[name] for name in _COUNTS}, "reasons": {why: rows for why, rows in sorted(row["reasons"].items()) if rows}}
            for leg, row in sorted(total.items()) if any(row[name] for name in _COUNTS)}


# ------------------------------------------------------------------------------------------------ torn or half-visible


def half_visible(file: Path, whole: Mapping[str, Any], at_once: bool) -> str:
    """What a reader finds now that no complete epoch has; empty if all is well. `at_once`: it is to find all or nothing."""
    opened = _opened(file)
    if not (opened.work / "incarnations").is_dir():
        return ""
    changing = {node.step for node in opened.plan.of(Write) if isinstance(node.word, Write) and node.word.mode != "append"}
    found = {name: texts(reading.read(opened, name), False) for name in whole["tables"] if at_once or name not in changing}
    for name, rows in found.items():
        if more := Counter(rows) - Counter(whole["tables"][name]):
            return f"{name} has {sum(more.values())} rows that it should not have, like {next(iter(more))}"
    sizes = {name: (len(rows), len(whole["tables"][name])) for name, rows in found.items()}
    if at_once and len({have == all_ for have, all_ in sizes.values() if all_}) > 1:
        return f"of some outputs there is all and of others not: {sizes}"
    if at_once and any(have not in (0, all_) for have, all_ in sizes.values()):
        return f"there is a part of it: {sizes}"
    return ""


def torn(file: Path) -> str:
    """Where two ends have different results of the step that is not deterministic; empty if they agree on every row."""
    opened = _opened(file)
    luck = {row["seq"]: row for row in reading.read(opened, "fresh").to_pylist()}
    late = {json.loads(row["row"])["seq"]: json.loads(row["row"]) for row in reading.read(opened, "quarantine").to_pylist()
            if row["node"] == "spans"}
    head = journal.incarnations(opened.work)[-1]
    held = [row for name in ("spans",) for text in state(opened.work, opened.plan, head.prepared(head.epochs("prepared")[-1]), True)
            .get(name, []) for row in [json.loads(text)]]
    for row in [*late.values(), *held]:
        if luck[row["seq"]]["luck"] != row["luck"]:
            return f"seq {row['seq']} has luck {luck[row['seq']]['luck']} in the output and {row['luck']} beside it"
    waiting = {row["seq"] for row in held} | set(late)
    sums: Counter[tuple[str, int]] = Counter()
    for seq, row in luck.items():
        if seq not in waiting:
            sums[row["sensor_id"], int(row["observed_at"].timestamp()) // 10 * 10] += row["luck"]
    there = {(row["sensor_id"], int(row["window_start"].timestamp())): row["lucks"] for row in reading.read(opened, "spans").to_pylist()}
    return "" if there == dict(sums) else f"the windows add up otherwise: {set(there.items()) ^ set(sums.items())}"
