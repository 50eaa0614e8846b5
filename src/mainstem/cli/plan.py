"""`mainstem plan`: what running a pipeline would do, before it does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mainstem.cli import show
from mainstem.cli.app import Engine, Environment, FileArgument, Output, OutputOption, Settings, app, examples, opened

if TYPE_CHECKING:
    from mainstem.plan.explain import Explained


@app.command(epilog=examples("mainstem plan greenhouse.yaml", "mainstem plan --engine spark", "mainstem plan --output json"))
def plan(file: FileArgument = None, environment: Environment = None, output: OutputOption = Output.table,
         settings: Settings = None, engine: Engine = None) -> None:
    """What running it would do. Graph, legs, column types, guarantees and why, and what an edit does to the state that is there."""
    explained = opened(file, environment, settings).plan(engine)
    if output is Output.json:
        show.document("plan", explained)
    elif output is Output.csv:
        show.rows("plan", [{"node": node.name, "column": name, "type": type_, "unit": unit}
                           for node in explained.nodes for name, type_, unit in node.columns], output)
    else:
        _draw(explained)


def _draw(explained: Explained) -> None:
    """Five parts: what happens to the rows, the legs, the tables, what is promised, what the edit does."""
    print(explained.pipeline + (f": {explained.description}" if explained.description else ""))
    _heading("steps")
    for node in explained.nodes:
        reads = f" <- {', '.join(node.inputs)}" if node.inputs else ""
        print(f"  {node.name}{reads}")
        print(f"      {node.word}: {node.what}" + ("   (makes new rows: a leg begins)" if node.makes_rows and node.inputs else ""))
        if node.columns:
            print("      " + ", ".join(f"{name} {type_}" + (f" [{unit}]" if unit else "") for name, type_, unit in node.columns))
    _heading("legs")
    show.table(["from", "through", "to"], [[leg.origin, ", ".join(leg.path), leg.end] for leg in explained.legs])
    if explained.tables:
        _heading("tables")
        show.table(["table", "key", "refreshed"], [list(table) for table in explained.tables])
    _heading("guarantees")
    for promise in explained.guarantees:
        print(f"  {promise.output}: {promise.level}")
        _list(promise.why, "      ")
    if explained.stages:
        _heading("stages on the cluster, with a shuffle between two of them")
        for number, stage in enumerate(explained.stages):
            print(f"  stage {number}: {', '.join(stage.steps)}; tasks: {stage.tasks}")
            _list([*(f"{fold}: its rows are brought together by {keys}" for fold, keys in stage.shuffled),
                   *(f"{fold}: in one task only, because {why}" for fold, why in stage.alone)], "      ")
            if stage.kept:
                print(f"      - what {stage.kept} makes is kept in files first: it is not deterministic")
    _heading("what depends on how epochs are cut, and other notes")
    _list([*explained.notes, explained.repair], "  ")
    if explained.changes:
        _heading("what this edit does to the state that is there")
        for change in explained.changes:
            print(f"  {change.kind}: {change.node}: {change.what}")
            for word, names in (("begins anew", change.rebuilt), ("gives other rows", change.affects)):
                if names:
                    print(f"      {word}: {', '.join(names)}")


def _heading(text: str) -> None:
    print(f"\n{text}")


def _list(sentences: Any, indent: str) -> None:
    for sentence in sentences:
        print(f"{indent}- {sentence}")
