"""Whom a brake holds, which run found them different, and what a person decided about a run"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("participants") as batch:
        batch.add_column(sa.Column("cause_run", Id, comment="and which run"))
        batch.add_column(
            sa.Column(
                "brake_run", Id, comment="the run whose brake holds them on the list; 0: a person said that they stay"
            )
        )
        held = sa.text("brake_run IS NOT NULL")
        batch.create_index(
            "participants_held", ["connection_id", "brake_run"], postgresql_where=held, sqlite_where=held
        )
    with op.batch_alter_table("runs") as batch:
        batch.add_column(sa.Column("decision", sa.JSON(), comment="what a person decided about it: the brake, an undo"))
