"""What is accepted and not carried out yet, told with its place: no problem, but nobody should wait for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainstem.plan.words import Alert, Fold
from mainstem.spec.problems import Problem

if TYPE_CHECKING:
    from mainstem.project.place import Opened


def remarks(opened: Opened) -> list[Problem]:
    """Remarks on a pipeline without problems and on its settings, in the order of their places; empty if it has any."""
    if opened.problems:
        return []
    channels, found = opened.settings.notifications, []
    for node in opened.plan.of(Fold):
        if isinstance(node.word, Fold) and isinstance(node.word.body, Alert) and node.word.body.notify:
            unknown = [name for name in node.word.body.notify if name not in channels]
            found.append(opened.loaded.marks.problem(
                "alert.not_sent", f"the episodes of `{node.step}` are stored, not sent", ("steps", node.step, "alert", "notify"),
                at_key=True, why=f"mainstem.yaml has no channel {', '.join(unknown)}" if unknown else "",
                fix="read them from the output behind it: state, episode, started_at"))
    for name in channels:
        found.append(Problem("alert.not_sent", f"nothing is sent to the channel `{name}` yet",
                             opened.settings.origin(("notifications", name, "kind")), 0, 0))
    return sorted(found)
