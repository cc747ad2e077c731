"""Who may log in, and who did what."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", Id, nullable=False),
        sa.Column("email", sa.Text(), nullable=False, comment="lower case"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False, comment="viewer, operator or admin"),
        sa.Column("password_hash", sa.Text(), comment="scrypt; null: invited, and not here yet"),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("disabled", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column(
            "round", sa.Integer(), server_default="0", nullable=False, comment="when it grows, sessions and links end"
        ),
        sa.Column("last_seen_at", sa.Double()),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("email"),
    )
    op.create_table(
        "audit",
        sa.Column("id", Id, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("user_id", Id, comment="null: the command line"),
        sa.Column("connection_id", sa.Text()),
        sa.Column("participant_id", Id),
        sa.Column("what", sa.Text(), nullable=False, comment='in the past tense, as "paused the connection"'),
        sa.Column(
            "detail",
            sa.JSON(),
            comment="before and after; never a secret, an address of a participant or an answer",
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("audit_at", "audit", ["at"])
    op.create_index("audit_user", "audit", ["user_id", "id"])
    op.create_index("audit_connection", "audit", ["connection_id", "id"])
    op.create_index("audit_what", "audit", ["what", "id"])


def downgrade() -> None:
    op.drop_table("audit")
    op.drop_table("users")
