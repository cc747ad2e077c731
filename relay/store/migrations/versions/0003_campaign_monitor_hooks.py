"""CM's own webhooks: where they arrive, and who is to be read again"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    hook = "encrypted; the token in the address CM notifies, and CM's id of the webhook"
    problem = "message, remedy, code and since, while CM cannot notify us"
    op.add_column("connections", sa.Column("cm_hook", sa.Text(), nullable=True, comment=hook))
    op.add_column("connections", sa.Column("cm_hook_problem", sa.JSON(), nullable=True, comment=problem))
    hinted = "CM told of a change about them: they are to be read there"
    moved = "lower case; where CM told that they are now"
    op.add_column("participants", sa.Column("cm_hinted_at", sa.Double(), nullable=True, comment=hinted))
    op.add_column("participants", sa.Column("cm_moved_to", sa.Text(), nullable=True, comment=moved))
    waits = sa.text("cm_hinted_at IS NOT NULL")
    op.create_index(
        "participants_hinted",
        "participants",
        ["connection_id", "cm_hinted_at"],
        unique=False,
        postgresql_where=waits,
        sqlite_where=waits,
    )


def downgrade() -> None:
    waits = sa.text("cm_hinted_at IS NOT NULL")
    op.drop_index("participants_hinted", "participants", postgresql_where=waits, sqlite_where=waits)
    for table, names in {
        "participants": ("cm_moved_to", "cm_hinted_at"),
        "connections": ("cm_hook_problem", "cm_hook"),
    }.items():
        with op.batch_alter_table(table) as batch:
            for name in names:
                batch.drop_column(name)
