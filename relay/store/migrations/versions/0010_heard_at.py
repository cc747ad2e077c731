"""When the latest webhook about each participant was received"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    comment = "when the latest webhook that `heard` remembers was received"
    op.add_column("participants", sa.Column("heard_at", sa.Double(), nullable=True, comment=comment))


def downgrade() -> None:
    op.drop_column("participants", "heard_at")
