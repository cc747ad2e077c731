"""What is lost of each question; groups that are missing; what a probe of CM found out"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

SOURCE = '"answer:<question id>", "former:…" or a base field'
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("connections") as table:
        table.add_column(
            sa.Column(
                "segments_after", sa.Double(), comment="CM was busy with one: segments are not looked at before this"
            )
        )
        table.add_column(
            sa.Column("rules_kept", sa.JSON(), comment="rules of people's own segments, while a call may cost them")
        )
        table.add_column(sa.Column("switches", sa.JSON(), comment="what a probe found out about CM"))
    with op.batch_alter_table("fields") as table:
        table.alter_column("source", existing_type=sa.Text(), existing_nullable=False, comment=SOURCE)
        table.alter_column("label", existing_type=sa.Text(), existing_nullable=False, comment="as EHQ calls it now")
        table.add_column(
            sa.Column("earlier", sa.JSON(), nullable=False, server_default="[]", comment="labels it had before")
        )
        table.add_column(
            sa.Column(
                "asked", sa.Boolean(), nullable=False, server_default=sa.true(), comment="the last complete run met it"
            )
        )
        table.add_column(sa.Column("problem", sa.Text(), comment="why CM does not take it, or no more options of it"))
        table.add_column(
            sa.Column("cut", sa.Integer(), nullable=False, server_default="0", comment="values cut, when last counted")
        )
        table.add_column(
            sa.Column("skipped", sa.Integer(), nullable=False, server_default="0", comment="values skipped, likewise")
        )
        table.add_column(sa.Column("counted_run", ID, comment="the run that counted them"))
    with op.batch_alter_table("groups") as table:
        table.add_column(sa.Column("seen_run", ID, comment="the run that last saw it in EHQ"))
        table.add_column(sa.Column("absent_runs", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    for name, columns in (
        ("groups", ("seen_run", "absent_runs")),
        ("fields", ("earlier", "asked", "problem", "cut", "skipped", "counted_run")),
        ("connections", ("segments_after", "rules_kept", "switches")),
    ):
        with op.batch_alter_table(name) as table:
            for column in columns:
                table.drop_column(column)
