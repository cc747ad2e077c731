"""Whose account in Campaign Monitor a connection uses"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "connections",
        sa.Column("cm_account", sa.Text(), comment="its primary contact's address; empty where CM does not tell"),
    )


def downgrade() -> None:
    op.drop_column("connections", "cm_account")
