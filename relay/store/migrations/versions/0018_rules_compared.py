"""Under which rules everybody was last compared, and EHQ last read"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "connections",
        sa.Column("compared_rules", sa.JSON(), comment="audience and overrides by which all were last compared"),
    )
    op.add_column(
        "connections",
        sa.Column(
            "read_overrides",
            sa.Text(),
            comment="hash of those by which EHQ was last read whole, or which a person confirmed",
        ),
    )


def downgrade() -> None:
    op.drop_column("connections", "read_overrides")
    op.drop_column("connections", "compared_rules")
