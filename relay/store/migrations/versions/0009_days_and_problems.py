"""Counts by day, problems with their state, a clock's heartbeat"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "days",
        sa.Column("connection_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False, comment="YYYY-MM-DD in the connection's time zone"),
        sa.Column("what", sa.Text(), nullable=False, comment="arrived, runs, calls, failed calls, or a cause of drift"),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("connection_id", "day", "what"),
    )
    op.create_table(
        "problems",
        sa.Column("connection_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="the cause: refused:1, quarantined:<hash>, segments, ..."),
        sa.Column("title", sa.Text(), nullable=False, comment="in words, as it was last seen"),
        sa.Column("first_seen", sa.Double(), nullable=False),
        sa.Column("last_seen", sa.Double(), nullable=False),
        sa.Column("affected", sa.Integer(), nullable=False),
        sa.Column("acknowledged_at", sa.Double(), nullable=True),
        sa.Column("acknowledged_by", sa.Text(), nullable=True),
        sa.Column("resolved_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["connection_id"], ["connections.id"]),
        sa.PrimaryKeyConstraint("connection_id", "key"),
    )
    op.create_table(
        "heartbeats",
        sa.Column("name", sa.Text(), nullable=False, comment="clock"),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def downgrade() -> None:
    for table in ("heartbeats", "problems", "days"):
        op.drop_table(table)
