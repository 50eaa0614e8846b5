"""Checks the account of a pipeline from outside: recounts its raw input and its tables, and compares with its manifests.

    python tools/recount.py PROJECT_FOLDER PIPELINE_YAML [--environment NAME]

It imports nothing of mainstem. Records of the input are counted with the csv and json modules, rows of the tables in the
Parquet files that their Delta logs name. Compared are:

1. every manifest's checksum, and every leg: made + held before = delivered + filtered + quarantined + late + held
2. the records of every source with what its legs say was made
3. the rows of every table with what its legs delivered; of an upsert or replacement what its commits took in, and the rows that
   their changes must have left, commit by commit; no key is in it twice
4. the rows of the quarantine, by (origin, step, fate, reason), with what the legs set aside; every record is in it once

Exit code 0: all agree. 1: what differs, one line each. 2: there is nothing to compare with.
"""

from __future__ import annotations

import argparse
import csv
import glob
import gzip
import hashlib
import io
import json
import os
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from ruamel.yaml import YAML

FATES = ("delivered", "filtered", "quarantined", "late", "held")
NOTHING_READ = {"vanished", "unreadable", "corrupt", "too_large", "bad_format"}  # outcomes of files without a record


class Nothing(Exception):
    """There is nothing to compare with."""


# -------------------------------------------------------------------------------------------------- what was said


def environment_in(text: str) -> str:
    """`${env:NAME:-default}` as the environment says."""
    return re.sub(r"\$\{env:(\w+)(?::-([^}]*))?\}", lambda found: os.environ.get(found[1], found[2] or ""), text)


def yaml_of(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    return YAML(typ="safe").load(environment_in(path.read_text())) or {}


def chain(work: Path) -> list[Path]:
    """The incarnations that made the present tables, oldest first: a reset goes on, anything else begins anew."""
    born = [(json.loads(path.read_bytes().splitlines()[0]), path.parent) for path in sorted((work / "incarnations").glob("*/birth.json"))]
    first = max((place for place, (birth, _) in enumerate(born) if birth.get("why") != "reset"), default=0)
    return [folder for _, folder in born[first:]]


def records_of(folder: Path, kind: str, complaints: list[str]) -> list[dict[str, Any]]:
    """Every record of one kind in the journal of an incarnation; one with a wrong checksum is a complaint."""
    found = []
    for path in sorted(folder.glob(f"{kind}-*.json")):
        body, _, digest = path.read_bytes().rstrip(b"\n").rpartition(b"\n")
        if hashlib.sha256(body).hexdigest().encode() != digest:
            complaints.append(f"{path.name}: its checksum does not match its content")
        else:
            found.append(json.loads(body))
    return found


def added_up(manifests: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """What all manifests together say was delivered and set aside, leg by leg."""
    total: dict[str, dict[str, Any]] = {}
    for manifest in manifests:
        for leg, row in manifest["account"].items():
            mine = total.setdefault(leg, {"delivered": 0, "reasons": Counter()})
            mine["delivered"] += row["delivered"]
            mine["reasons"].update(row["reasons"])
    return total


def made_of(manifests: Sequence[Mapping[str, Any]], complaints: list[str]) -> Counter[str]:
    """What all manifests together say was made by each origin; the legs of an origin must agree."""
    total: Counter[str] = Counter()
    for manifest in manifests:
        made: dict[str, dict[str, int]] = defaultdict(dict)
        for leg, row in manifest["account"].items():
            made[leg.split(" -> ")[0]][leg] = row["made"]
        for origin, legs in made.items():
            total[origin] += max(legs.values())
            if len(set(legs.values())) > 1:
                complaints.append(f"epoch {manifest['epoch']}: the legs of {origin} disagree on what was made: {legs}")
    return total


# ------------------------------------------------------------------------------------------------ what came in


def files_of(path: str, project: Path) -> list[Path]:
    """The files that a source reads: one, those of a folder, or those of a glob."""
    whole = str(project / path)
    found = [whole] if not re.search(r"[*?\[]", path) else glob.glob(whole, recursive=True)
    if Path(whole).is_dir():
        found = [str(entry) for entry in Path(whole).iterdir()]
    names = [Path(name) for name in sorted(found) if Path(name).is_file()]
    return [
        name
        for name in names
        if len(names) == 1 or not any(part[0] in "._" for part in name.relative_to(project).parts if part != "..")
    ]


def content_of(path: Path) -> bytes:
    raw = path.read_bytes()
    if raw[:2] == b"\x1f\x8b":
        return gzip.decompress(raw)
    if raw[:4] == b"\x28\xb5\x2f\xfd":
        return pa.CompressedInputStream(io.BytesIO(raw), "zstd").read()
    return raw


def csv_records(data: bytes, options: Mapping[str, Any]) -> int:
    """Records of a CSV file without its header; a quote that is never closed costs its own line only."""
    text = data.decode(options.get("encoding", "utf-8"), "replace").removeprefix("\ufeff")
    lines = text.splitlines(keepends=True) if options.get("quote", '"') is None else re.findall(r"[^\r\n]*(?:\r\n|\n|\r|$)", text)
    text = "".join(lines[options.get("skip", 0) :])
    quote, delimiter = options.get("quote", '"'), options.get("delimiter", ",")
    delimiter = {"tab": "\t", "\\t": "\t", "space": " "}.get(delimiter, delimiter)
    if comment := options.get("comment"):
        text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith(comment))
    csv.field_size_limit(1 << 30)
    shape: dict[str, Any] = (
        {"delimiter": delimiter, "quoting": csv.QUOTE_NONE} if quote is None else {"delimiter": delimiter, "quotechar": quote}
    )
    if quote is None or text.count(quote) % 2 == 0:
        count = sum(1 for row in csv.reader(io.StringIO(text, newline=""), **shape) if row)
    else:
        count = sum(1 for line in text.splitlines() if line)
    return count - (options.get("header", True) is True and count > 0)


def json_records(data: bytes, options: Mapping[str, Any]) -> int:
    """Lines that are not blank, or the objects of one document."""
    if options.get("layout", "lines") == "lines":
        return sum(1 for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n") if line.strip())
    found = json.loads(data)
    for name in filter(None, (options.get("records") or "").split(".")):
        found = found[name]
    return len(found) if isinstance(found, list) else 1


def parquet_records(data: bytes, _options: Mapping[str, Any]) -> int:
    return int(pq.ParquetFile(io.BytesIO(data)).metadata.num_rows)


COUNTERS = {"csv": csv_records, "json": json_records, "parquet": parquet_records}


def made_by(source: Mapping[str, Any], project: Path, skipped: set[str]) -> int | None:
    """How many records a source has; None where it cannot be said from outside."""
    if "generator" in source:
        rows = (source["generator"] or {}).get("rows")
        return None if rows is None else int(rows)
    if "files" not in source:
        return None
    kind, options = source.get("format") or "csv", {}
    if isinstance(kind, dict):
        ((kind, options),) = kind.items()
    seen: set[str] = set()
    total = 0
    for path in files_of(source["files"]["path"], project):
        if str(path) in skipped:
            continue
        data = content_of(path)
        same = hashlib.sha256(data).hexdigest()
        if not data or (same in seen and source["files"].get("duplicates", "skip") == "skip"):
            continue
        seen.add(same)
        total += COUNTERS[kind](data, options or {})
    return total


# ----------------------------------------------------------------------------------------------- what went out


def table_rows(folder: Path, version: int, columns: list[str] | None = None) -> Iterator[dict[str, Any]] | int:
    """The number of rows of a Delta table at a version, or the rows of some columns."""
    files = DeltaTable(folder, version=version).file_uris()
    if columns is None:
        return sum(pq.ParquetFile(name).metadata.num_rows for name in files)
    return (row for name in files for row in pq.ParquetFile(name).read(columns=columns).to_pylist())


def followed(folder: Path, version: int, incarnations: Collection[str], complaints: list[str]) -> tuple[int, int] | None:
    """(rows that a table of merges must have at a version, rows that its commits took in), from its log alone.

    None if the log does not begin with the first commit any more.
    """
    alive: dict[str, int] = {}
    rows = taken = 0
    for number in range(version + 1):
        path = folder / "_delta_log" / f"{number:020d}.json"
        if not path.is_file():
            return None
        entries = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
        facts = {name: value for entry in entries for name, value in entry.get("commitInfo", {}).items()}
        before = sum(alive.values())
        for entry in entries:
            if "remove" in entry:
                alive.pop(entry["remove"]["path"], None)
            elif "add" in entry:
                alive[entry["add"]["path"]] = int(json.loads(entry["add"]["stats"])["numRecords"])
        if "mainstem.changed" in facts:
            rows += int(facts["mainstem.changed"]) - int(facts["mainstem.replaced"])
            taken += int(facts["mainstem.staged"]) if facts.get("mainstem.incarnation") in incarnations else 0
        elif "mainstem.maintenance" not in facts:
            rows += sum(alive.values()) - before
        if rows != sum(alive.values()):
            complaints.append(f"{folder.name}, version {number}: its changes leave {rows} rows, its files have {sum(alive.values())}")
            rows = sum(alive.values())
    return rows, taken


def check_merged(
    name: str, output: Mapping[str, Any], folder: Path, version: int, delivered: int, incarnations: Collection[str], complaints: list[str]
) -> None:
    """A table whose rows take each other's place: what came in, what must be left, and every key once."""
    rows, found = table_rows(folder, version), followed(folder, version, incarnations, complaints)
    if found is None:
        if isinstance(rows, int) and rows > delivered:
            complaints.append(f"output {name}: its legs delivered {delivered} rows, it has {rows}")
    elif found != (rows, delivered):
        complaints.append(
            f"output {name}: its legs delivered {delivered} rows, its commits took {found[1]}; it must have {found[0]} rows and has {rows}"
        )
    if output.get("mode") == "upsert":
        key = list(output["key"])
        seen = Counter(tuple(row[part] for part in key) for row in table_rows(folder, version, key))  # type: ignore[union-attr]
        complaints += [f"output {name}: the key {one} is in it {many} times" for one, many in seen.items() if many > 1]


def folder_rows(folder: Path, kind: str, options: Mapping[str, Any]) -> int:
    """Rows of an output of plain files: every visible file of every commit."""
    files = [path for path in folder.glob("*/*") if path.is_file() and path.name[0] not in "._" and path.parent.name[0] != "."]
    return sum(COUNTERS[kind](content_of(path), options) for path in files)


def late_is_kept(plan: Mapping[str, Any], node: str) -> bool:
    word = next((one["word"] for one in plan["nodes"] if one["name"] == node), {})
    return word.get("body", {}).get("late", "quarantine") != "drop"


# --------------------------------------------------------------------------------------------------- comparison


def check_legs(incarnations: Sequence[Sequence[Mapping[str, Any]]], complaints: list[str]) -> None:
    """Every leg of every manifest balances, and finds what the one before held; a reset may give up what an edited step held."""
    held: dict[str, int] = {}
    for manifests in incarnations:
        seen: set[str] = set()
        for manifest in manifests:
            for leg, row in manifest["account"].items():
                here = f"epoch {manifest['epoch']}, leg {leg}"
                came, went, before = row["made"] + row["held_before"], sum(row[fate] for fate in FATES), held.get(leg, 0)
                if came != went:
                    complaints.append(f"{here}: {came} rows came, {went} have a fate")
                if row["held_before"] != before and (leg in seen or row["held_before"] != 0):
                    complaints.append(f"{here}: {before} rows were held, it found {row['held_before']}")
            held |= {leg: row["held"] for leg, row in manifest["account"].items()}
            seen |= manifest["account"].keys()


def check_sources(
    spec: Mapping[str, Any], made: Mapping[str, int], project: Path, skipped: set[str], complaints: list[str]
) -> None:
    for name, source in spec["sources"].items():
        there = made_by(source, project, skipped)
        if there is not None and made.get(name, 0) != there:
            complaints.append(f"source {name}: its input has {there} records, its legs say that {made.get(name, 0)} were made")


def check_outputs(spec: Mapping[str, Any], account: Mapping[str, Mapping[str, Any]], outputs: Mapping[str, Any], project: Path,
                  lake: Path, incarnations: Collection[str], complaints: list[str]) -> None:
    for name, output in spec["outputs"].items():
        node = next((one for one in outputs if one in (name, f"{name}/output")), None)
        delivered = sum(row["delivered"] for leg, row in account.items() if leg.split(" -> ")[1] == node)
        version = outputs[node]["version"] if node else None
        if version is None:
            rows = 0
        elif "delta" in output and output["delta"].get("mode", "append") != "append":
            check_merged(name, output["delta"], lake / output["delta"].get("table", name), version, delivered, incarnations, complaints)
            continue
        elif "delta" in output:
            rows = table_rows(lake / output["delta"].get("table", name), version)
        else:
            kind, options = output.get("format") or "parquet", {}
            if isinstance(kind, dict):
                ((kind, options),) = kind.items()
            rows = folder_rows(project / output["files"]["path"], kind, options or {})
        if rows != delivered:
            complaints.append(f"output {name}: its legs delivered {delivered} rows, it has {rows}")


def check_quarantine(
    plan: Mapping[str, Any], account: Mapping[str, Mapping[str, Any]], folder: Path, version: int | None, complaints: list[str]
) -> None:
    wanted: Counter[tuple[str, str, str, str]] = Counter()
    for leg, row in account.items():
        for text, count in row["reasons"].items():
            fate, node, reason = text.split(": ", 2)
            key = (leg.split(" -> ")[0], node, fate, reason)
            if fate == "quarantined" or (fate in ("late", "noted") and late_is_kept(plan, node)):
                wanted[key] = max(wanted[key], count)  # a node on several legs counts the same rows on each
    found: Counter[tuple[str, str, str, str]] = Counter()
    identities: Counter[str] = Counter()
    if version is not None:
        for row in table_rows(folder, version, ["id", "origin", "node", "fate", "reason", "raw", "raw_hash"]):  # type: ignore[union-attr]
            found[row["origin"], row["node"], row["fate"], row["reason"]] += 1
            identities[row["id"]] += 1
            if row["raw"] is not None and hashlib.sha256(row["raw"]).hexdigest() != row["raw_hash"]:
                complaints.append(f"quarantine: the bytes of {row['id']} do not match their hash")
    for key in sorted(wanted.keys() | found.keys()):
        if wanted[key] != found[key]:
            origin, node, fate, reason = key
            said = f"set {wanted[key]} rows aside at {node} ({fate}, {reason}), the table has {found[key]}"
            complaints.append(f"quarantine: the legs of {origin} {said}")
    complaints += [f"quarantine: record {name} is in it {many} times" for name, many in identities.items() if many > 1]


def recount(project: Path, file: Path, environment: str) -> tuple[list[str], dict[str, int]]:
    """(what differs, what was counted). Raises Nothing where there is no finished epoch, or the journal no longer begins at 1."""
    spec, settings = yaml_of(file), yaml_of(project / "mainstem.yaml")
    settings |= (settings.get("environments") or {}).get(environment) or {}
    name = spec["pipeline"]
    work = project / settings.get("state", ".mainstem") / environment / name
    lake = project / settings.get("lake", "lake")
    complaints: list[str] = []
    folders = chain(work) if (work / "incarnations").is_dir() else []
    if not folders:
        raise Nothing(f"{name} has never run in {project}")
    per_folder = [records_of(folder, "manifest", complaints) for folder in folders]
    manifests = [manifest for many in per_folder for manifest in many]
    if not manifests and not complaints:
        raise Nothing(f"{name} has no finished epoch")
    if complaints:
        return complaints, {}
    for folder, many in zip(folders, per_folder):
        starts = 1 if folder == folders[0] else 2
        for manifest in many:
            if manifest["first"] > starts:
                raise Nothing(f"the manifests of epochs {starts} to {manifest['first'] - 1} are gone: their retention is over")
            starts = manifest["epoch"] + 1
    skipped = {
        str(project / note["file"])
        for folder in folders
        for plan in records_of(folder, "plan", complaints)
        for note in plan.get("outcomes", [])
        if note.get("outcome") in NOTHING_READ
    }
    plan = json.loads((work / "releases" / manifests[-1]["release"] / "plan.json").read_text())
    account, outputs = added_up(manifests), manifests[-1]["outputs"]
    check_legs(per_folder, complaints)
    check_sources(spec, made_of(manifests, complaints), project, skipped, complaints)
    check_outputs(spec, account, outputs, project, lake, {folder.name for folder in folders}, complaints)
    check_quarantine(plan, account, lake / f"{name}_quarantine", outputs.get("quarantine", {}).get("version"), complaints)
    records = sum(made_by(source, project, skipped) or 0 for source in spec["sources"].values())
    return complaints, {"legs": len(account), "manifests": len(manifests), "records": records}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("project", type=Path, help="folder of the project")
    parser.add_argument("pipeline", type=Path, help="the pipeline file, relative to the project or absolute")
    parser.add_argument("--environment", default=os.environ.get("MAINSTEM_ENV", "default"), help="its environment")
    given = parser.parse_args(arguments)
    project = given.project.absolute()
    try:
        complaints, counted = recount(project, project / given.pipeline, given.environment)
    except Nothing as nothing:
        print(nothing, file=sys.stderr)
        return 2
    for complaint in complaints:
        print(complaint)
    if not complaints:
        print("{records} records of the input, {legs} legs and {manifests} manifests agree with the tables".format(**counted))
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
