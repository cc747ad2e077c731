"""People on whom the relay fails are found by an index; of how many a problem was acknowledged"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    failed = sa.text("why_not = 'failed'")
    listed = ["connection_id", "id"]
    op.create_index("participants_failed", "participants", listed, postgresql_where=failed, sqlite_where=failed)
    affected = sa.Column(
        "acknowledged_affected", sa.Integer(), server_default="0", nullable=False, comment="of how many then"
    )
    op.add_column("problems", affected)
    op.execute("UPDATE problems SET acknowledged_affected = affected WHERE acknowledged_at IS NOT NULL")
