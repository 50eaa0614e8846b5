"""The table at the end: one line per benchmark."""

from __future__ import annotations

from collections.abc import Sequence

from measure import Figures, Row

_HEAD = ("benchmark", "ours", "theirs", "figure", "floor", "goal", "peak MB", "verdict")


def show(rows: Sequence[Row]) -> str:
    """Aligned text; what a figure means stands below the table."""
    lines = [_HEAD, *(_line(row) for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(_HEAD))]
    text = ["  ".join(cell.ljust(width) if not place else cell.rjust(width) for place, (cell, width) in enumerate(zip(line, widths)))
            for line in lines]
    text.insert(1, "-" * len(text[0]))
    text += ["", "ours, theirs: seconds of wall (CPU) of the whole process, medians; figure x: our speed as a share of theirs"]
    text += [f"{row.name}: {row.note}" for row in rows if row.note]
    return "\n".join(text)


def _line(row: Row) -> tuple[str, ...]:
    def limit(value: float | None) -> str:
        return "" if value is None else f"{value:g}"

    peak = ""
    if row.ours:
        peak = f"{row.ours.peak:.0f}" + (f" < {row.peak_limit:g}" if row.peak_limit else "")
    figure = "none" if row.value is None else f"{row.value:.3g} {row.unit}"
    return row.name, _seconds(row.ours), _seconds(row.theirs), figure, limit(row.floor), limit(row.goal), peak, row.verdict


def _seconds(figures: Figures | None) -> str:
    return "" if figures is None else f"{figures.wall:.2f} ({figures.cpu:.2f})"
