"""Whether an earlier connection wrote to the list and no run has read it yet"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "connections",
        sa.Column("list_unread", sa.Boolean(), nullable=False, server_default=sa.false(), comment="connected before"),
    )


def downgrade() -> None:
    op.drop_column("connections", "list_unread")
