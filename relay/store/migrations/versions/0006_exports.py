"""Exports that were uploaded, and what EHQ's API calls a question or group that an export told of first"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("connections", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "reads", sa.Text(), nullable=False, server_default="api", comment="api, or export: only by uploads"
            )
        )
        batch_op.add_column(
            sa.Column("exported_at", sa.Double(), comment="when the export was made that was last read to its end")
        )
    for table, what in (("fields", "label"), ("groups", "name")):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.add_column(
                sa.Column(
                    "also", sa.Text(), comment=f"its id in EHQ, where an export had told of it by its {what} before"
                )
            )
    op.create_table(
        "exports",
        sa.Column("id", Id, nullable=False),
        sa.Column("connection_id", sa.Text(), nullable=False),
        sa.Column("uploaded_at", sa.Double(), nullable=False),
        sa.Column(
            "made_at", sa.Double(), nullable=False, comment="when EHQ made it: a webhook received later knows better"
        ),
        sa.Column("run_id", Id, comment="the run that reads it, or read it last"),
        sa.Column("summary", sa.JSON(), nullable=False, comment="files, counts and warnings; nobody's data"),
        sa.ForeignKeyConstraint(["connection_id"], ["connections.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("exports_connection", "exports", ["connection_id"])
    op.create_table(
        "export_pages",
        sa.Column("export_id", Id, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column(
            "body", sa.LargeBinary(), nullable=False, comment="rows of people, encrypted; gone when the run has ended"
        ),
        sa.Column("run_id", Id, comment="the run that found out who they are"),
        sa.Column("ids", sa.JSON(), comment="for each row the turn and the EHQ id found"),
        sa.ForeignKeyConstraint(["export_id"], ["exports.id"]),
        sa.PrimaryKeyConstraint("export_id", "number"),
    )


def downgrade() -> None:
    op.drop_table("export_pages")
    op.drop_index("exports_connection", table_name="exports")
    op.drop_table("exports")
    for table in ("groups", "fields"):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.drop_column("also")
    with op.batch_alter_table("connections", schema=None) as batch_op:
        batch_op.drop_column("exported_at")
        batch_op.drop_column("reads")
