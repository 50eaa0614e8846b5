"""What a run met besides its rows: schema drift, named outcomes of files, notes of the steps."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column."""
    op.add_column("runs", sa.Column("met", sa.JSON(), nullable=True))
