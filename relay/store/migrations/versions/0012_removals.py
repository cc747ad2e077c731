"""Whom connections that are no more removed from their lists"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "removals",
        sa.Column("list_id", sa.Text(), nullable=False, comment="in CM"),
        sa.Column("mark", sa.Text(), nullable=False, comment="keyed hash of the address"),
        sa.Column("at", sa.Double(), nullable=False, comment="when we removed whoever was there"),
        sa.PrimaryKeyConstraint("list_id", "mark"),
    )


def downgrade() -> None:
    op.drop_table("removals")
