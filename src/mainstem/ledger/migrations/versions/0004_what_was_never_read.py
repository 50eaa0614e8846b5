"""Tables that nothing ever wrote, orders and gaps, and a column that nothing read, the path of a release's plan."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Drop them."""
    op.drop_table("orders")
    op.drop_table("gaps")
    op.drop_column("releases", "plan")
