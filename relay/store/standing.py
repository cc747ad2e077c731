"""Where somebody stands: worked out by the database itself from what their row says."""

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
"""Where somebody stands, in one word, from what else the row says: lists and counts of people go by it."""

ON_LIST = ("on", "leaving", "held", "kept", "stuck", "not_ours")
"""Standings of those who are Active in CM."""
