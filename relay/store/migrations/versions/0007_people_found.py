"""By what people and deliveries are found"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

STANDING = """CASE
 WHEN why_not = 'erased' THEN 'erased'
 WHEN cm_state = 'Active' AND why_not IS NULL THEN 'on'
 WHEN cm_state = 'Active' AND put_at IS NULL THEN 'not_ours'
 WHEN cm_state = 'Active' AND brake_run IS NOT NULL THEN 'held'
 WHEN cm_state = 'Active' THEN 'leaving'
 WHEN cm_state IS NOT NULL AND NOT (cm_state = 'Deleted' AND removed_at IS NOT NULL) THEN 'opted_out'
 WHEN why_not IS NOT NULL THEN why_not
 WHEN refused_code IS NOT NULL THEN 'refused'
 ELSE 'joining' END"""


def upgrade() -> None:
    lite = op.get_bind().dialect.name == "sqlite"
    for name, comment in (
        ("asked", "what somebody asked for: sync, then read; or erase"),
        ("erased_mark", "keyed hash of an erased address that we removed in CM"),
        ("sought", "name, log-in name and address, in lower case"),
        ("why_not", "why they do not belong, when last judged; a key of WHY_NOT"),
    ):
        op.add_column("participants", sa.Column(name, sa.Text(), nullable=True, comment=comment))
    # SQLite adds a generated column in place only when it is not stored; PostgreSQL 15 knows only stored ones.
    kept = "VIRTUAL" if lite else "STORED"
    op.execute(f"ALTER TABLE participants ADD COLUMN standing TEXT GENERATED ALWAYS AS ({STANDING}) {kept}")
    if not lite:
        op.execute("COMMENT ON COLUMN participants.standing IS 'one word, made by the database itself'")
    op.execute("UPDATE participants SET sought = email")  # the rest follows with the next word of each
    op.create_index("participants_sought", "participants", ["connection_id", "sought", "standing", "id"])
    op.create_index("participants_standing", "participants", ["connection_id", "standing", "id"])
    op.create_index("participants_put", "participants", ["connection_id", "put_at"])
    for name, given, columns in (
        ("refused", "refused_code", ["refused_code", "id"]),
        ("asked", "asked", ["id"]),
        ("erased", "erased_mark", ["erased_mark"]),
    ):
        some, listed = sa.text(f"{given} IS NOT NULL"), ["connection_id", *columns]
        op.create_index(f"participants_{name}", "participants", listed, postgresql_where=some, sqlite_where=some)
    op.drop_index("deliveries_received", "deliveries")
    op.create_index("deliveries_received", "deliveries", ["connection_id", "received_at", "id"])
    unread = sa.text("state = 'quarantined'")
    listed = ["connection_id", "received_at", "id"]
    op.create_index("deliveries_quarantined", "deliveries", listed, postgresql_where=unread, sqlite_where=unread)
