"""What is lost of each question; groups that are missing; what a probe of CM found out"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("connections") as table:
        table.add_column(sa.Column("segments_after", sa.Double()))
        table.add_column(sa.Column("rules_kept", sa.JSON()))
        table.add_column(sa.Column("switches", sa.JSON()))
    with op.batch_alter_table("fields") as table:
        table.add_column(sa.Column("earlier", sa.JSON(), nullable=False, server_default="[]"))
        table.add_column(sa.Column("asked", sa.Boolean(), nullable=False, server_default=sa.true()))
        table.add_column(sa.Column("problem", sa.Text()))
        table.add_column(sa.Column("cut", sa.Integer(), nullable=False, server_default="0"))
        table.add_column(sa.Column("skipped", sa.Integer(), nullable=False, server_default="0"))
        table.add_column(sa.Column("counted_run", ID))
    with op.batch_alter_table("groups") as table:
        table.add_column(sa.Column("seen_run", ID))
        table.add_column(sa.Column("absent_runs", sa.Integer(), nullable=False, server_default="0"))
        table.add_column(sa.Column("members_due", sa.Double()))


def downgrade() -> None:
    for name, columns in (
        ("groups", ("seen_run", "absent_runs", "members_due")),
        ("fields", ("earlier", "asked", "problem", "cut", "skipped", "counted_run")),
        ("connections", ("segments_after", "rules_kept", "switches")),
    ):
        with op.batch_alter_table(name) as table:
            for column in columns:
                table.drop_column(column)
