"""Origins, ends and legs of a plan (design section 5): who makes rows, who takes them for good, and the ways between.

Also makes two branches of one origin that meet again into origins of their own, because on a leg no row comes twice.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec

from mainstem.errors import Bug
from mainstem.plan import sql
from mainstem.plan.lower import kept, project
from mainstem.plan.words import Branch, Dedupe, Fold, Leg, Map, Node, Plan, Read, Sql, Write


def makes(node: Node) -> bool:
    """Whether the rows of this node are not its input rows."""
    word = node.word
    if isinstance(word, Fold):
        return not isinstance(word.body, Dedupe)
    return isinstance(word, Read) or (isinstance(word, Sql) and word.remakes) or (isinstance(word, Map) and word.rows == "any")


def reaching(nodes: Mapping[str, Node], name: str) -> frozenset[str]:
    """The origins whose rows come out of this node."""
    node = nodes[name]
    if makes(node):
        return frozenset((name,))
    return frozenset().union(*(reaching(nodes, parent) for parent in node.inputs))


def made(nodes: Mapping[str, Node], name: str) -> bool:
    """Whether rows of this node were made by a fold: then their order is (epoch, time, by columns), not arrival."""
    node = nodes[name]
    if isinstance(node.word, Fold) and makes(node):
        return True
    return any(made(nodes, parent) for parent in node.inputs)


def apart(nodes: Mapping[str, Node], given: Sequence[Node]) -> list[Node]:
    """The nodes of one step, with every meeting of branches of one origin taken apart.

    Each branch that meets another becomes an origin (`step/meet1`), so that a row that goes two ways is two rows from
    there on, with two identities and two legs.
    """
    found = dict(nodes)
    result: list[Node] = []
    for node in given:
        if isinstance(node.word, Sql) and len(node.word.branches) > 1:
            new = _union(found, node, node.word)
        elif isinstance(node.word, Fold) and len(node.inputs) > 1:
            new = _fold(found, node, node.word)
        else:
            new = [node]
        result += new
        found.update({one.name: one for one in new})
    return result


def _clashing(nodes: Mapping[str, Node], inputs: Sequence[str]) -> set[int]:
    """The places of inputs that share an origin with another."""
    origins = [reaching(nodes, name) for name in inputs]
    return {
        place for place, mine in enumerate(origins) if any(mine & other for index, other in enumerate(origins) if index != place)
    }


def _union(nodes: Mapping[str, Node], node: Node, word: Sql) -> list[Node]:
    meeting = set(range(len(word.branches))) if word.remakes else _clashing(nodes, [branch.input for branch in word.branches])
    if not meeting:
        return [node]
    new: list[Node] = []
    branches: list[Branch] = []
    for place, branch in enumerate(word.branches):
        if place not in meeting:
            branches.append(branch)
            continue
        name, only = f"{node.name}/meet{place + 1}", branch
        if branch.dropped:
            rows = Node(
                name=f"{node.name}/branch{place + 1}",
                step=node.step,
                word=Sql(branches=(branch,)),
                inputs=(branch.input,),
                columns=node.columns,
            )
            new.append(rows)
            only = Branch(input=rows.name, query=project(rows.name, kept(node.columns)))
        if not word.remakes:
            only = msgspec.structs.replace(only, query=_again(only.query, node), dropped=())
        new.append(
            Node(name=name, step=node.step, word=Sql(branches=(only,), remakes=True), inputs=(only.input,), columns=node.columns)
        )
        branches.append(Branch(input=name, query=project(name, kept(node.columns))))
    inputs = tuple(dict.fromkeys(branch.input for branch in branches))
    return [*new, msgspec.structs.replace(node, word=Sql(branches=tuple(branches)), inputs=inputs)]


def _fold(nodes: Mapping[str, Node], node: Node, word: Fold) -> list[Node]:
    clashing = _clashing(nodes, node.inputs)
    if not clashing:
        return [node]
    new: list[Node] = []
    inputs = list(node.inputs)
    for place in sorted(clashing):
        parent = nodes[inputs[place]]
        name = f"{node.name}/meet{place + 1}"
        query = _again(project(parent.name, kept(parent.columns)), parent)
        new.append(
            Node(
                name=name,
                step=node.step,
                word=Sql(branches=(Branch(input=parent.name, query=query),), remakes=True),
                inputs=(parent.name,),
                columns=parent.columns,
            )
        )
        inputs[place] = name
    renamed = dict(zip(node.inputs, inputs))
    body = msgspec.structs.replace(word.body, query=sql.renamed(word.body.query, renamed))  # type: ignore[union-attr]
    return [*new, msgspec.structs.replace(node, word=msgspec.structs.replace(word, body=body), inputs=tuple(inputs))]


def _again(query: str, node: Node) -> str:
    """A query whose rows get an identity of their own."""
    given = "".join(f"{sql.quote(column.name)}, " for column in node.columns)
    return f"SELECT {given}{sql.child(sql.quote(sql.AT), '0')} AS {sql.quote(sql.AT)} FROM ({query})"


def numbered(nodes: Sequence[Node]) -> tuple[list[Node], tuple[str, ...]]:
    """The nodes with their origins numbered and all that depends on that filled in; and the origins."""
    known = {node.name: node for node in nodes}
    origins = tuple(node.name for node in nodes if makes(node))
    result = []
    for node in nodes:
        word = node.word
        number = origins.index(node.name) if node.name in origins else None
        if isinstance(word, Sql) and word.remakes and number is not None:
            word = msgspec.structs.replace(
                word,
                branches=tuple(
                    msgspec.structs.replace(
                        branch, query=sql.numbered(branch.query, number, len(reaching(known, branch.input)) > 1)
                    )
                    for branch in word.branches
                ),
            )
        if isinstance(word, Fold) and any(made(known, name) for name in node.inputs):
            word = msgspec.structs.replace(word, order="made")
        result.append(msgspec.structs.replace(node, word=word, origin=number))
    return result, origins


def carried(plan: Plan, origins: Sequence[str]) -> Plan:
    """The plan with the origin numbers of an earlier one, so that rows in its state still say who made them.

    Origins that are no more keep their place in `Plan.origins`; new ones come behind.
    """
    every = (*origins, *(name for name in plan.origins if name not in origins))
    if every == plan.origins:
        return plan
    nodes = []
    for node in plan.nodes:
        if node.origin is None:
            nodes.append(node)
            continue
        number, word = every.index(node.name), node.word
        if isinstance(word, Sql):
            word = msgspec.structs.replace(
                word,
                branches=tuple(
                    msgspec.structs.replace(branch, query=sql.renumbered(branch.query, number)) for branch in word.branches
                ),
            )
        nodes.append(msgspec.structs.replace(node, origin=number, word=word))
    return msgspec.structs.replace(plan, nodes=tuple(nodes), origins=every)


def legs(nodes: Sequence[Node], origins: Collection[str]) -> tuple[Leg, ...]:
    """Every way from an origin to an end, in the order of the plan. Bug if one origin reaches one end twice."""
    readers: dict[str, list[Node]] = {node.name: [] for node in nodes}
    for node in nodes:
        for name in dict.fromkeys(node.inputs):
            readers[name].append(node)
    found: list[Leg] = []

    def walk(origin: str, at: str, path: tuple[str, ...]) -> None:
        for reader in readers[at]:
            if isinstance(reader.word, Write) or reader.name in origins:
                found.append(Leg(origin=origin, end=reader.name, path=path))
            else:
                walk(origin, reader.name, (*path, reader.name))

    for node in nodes:
        if node.name in origins:
            walk(node.name, node.name, ())
    pairs = [(leg.origin, leg.end) for leg in found]
    if len(set(pairs)) < len(pairs):
        twice = next(pair for pair in pairs if pairs.count(pair) > 1)
        raise Bug(
            "bug.legs",
            f"rows of {twice[0]} reach {twice[1]} on two ways",
            why="the meeting was not taken apart",
            fix="report this with the pipeline file",
        )
    order = {node.name: place for place, node in enumerate(nodes)}
    return tuple(sorted(found, key=lambda leg: (order[leg.origin], order[leg.end])))
