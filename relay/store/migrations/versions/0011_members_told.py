"""Groups of which EHQ told that their members changed"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name, comment in (
        ("members_told_at", "EHQ told that its members changed: they are to be read"),
        ("members_after", "but not before this"),
    ):
        op.add_column("groups", sa.Column(name, sa.Double(), nullable=True, comment=comment))


def downgrade() -> None:
    for name in ("members_after", "members_told_at"):
        op.drop_column("groups", name)
