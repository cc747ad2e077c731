"""A few headers of each delivery"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "deliveries",
        sa.Column("headers", sa.Text(), nullable=True, comment="a few that tell the sender, as JSON; never a secret"),
    )


def downgrade() -> None:
    op.drop_column("deliveries", "headers")
