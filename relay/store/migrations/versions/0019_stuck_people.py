"""Whoever is on the list while the relay fails on them stands apart from those who leave"""

from alembic import op

revision = "0019"
down_revision = "0017"
branch_labels = None
depends_on = None

STANDING = """CASE
 WHEN why_not = 'erased' THEN 'erased'
 WHEN cm_state = 'Active' AND why_not IS NULL THEN 'on'
 WHEN cm_state = 'Active' AND put_at IS NULL THEN 'not_ours'
 WHEN cm_state = 'Active' AND why_not = 'failed' THEN 'stuck'
 WHEN cm_state = 'Active' AND brake_run IS NOT NULL AND why_not IN ('role', 'not_activated', 'not_told', 'no_address')
  THEN CASE brake_run WHEN 0 THEN 'kept' ELSE 'held' END
 WHEN cm_state = 'Active' THEN 'leaving'
 WHEN cm_state IS NOT NULL AND NOT (cm_state = 'Deleted' AND removed_at IS NOT NULL) THEN 'opted_out'
 WHEN why_not IS NOT NULL THEN why_not
 WHEN refused_code IS NOT NULL THEN 'refused'
 ELSE 'joining' END"""
SOUGHT = {"participants_sought": ("sought", "standing", "id"), "participants_standing": ("standing", "id")}


def upgrade() -> None:
    lite = op.get_bind().dialect.name == "sqlite"
    for name in SOUGHT:
        op.drop_index(name, "participants")
    op.execute("ALTER TABLE participants DROP COLUMN standing")
    kept = "VIRTUAL" if lite else "STORED"  # as in 0007
    op.execute(f"ALTER TABLE participants ADD COLUMN standing TEXT GENERATED ALWAYS AS ({STANDING}) {kept}")
    for name, columns in SOUGHT.items():
        op.create_index(name, "participants", ["connection_id", *columns])
    if not lite:
        op.execute("COMMENT ON COLUMN participants.standing IS 'one word, made by the database itself'")
