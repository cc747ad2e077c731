"""Tables of what is counted by day, of problems, and of heartbeats."""

import sqlalchemy as sa

from relay.store.tables import Time, metadata

days = sa.Table(
    "days",
    metadata,
    sa.Column("connection_id", sa.Text, primary_key=True),
    sa.Column("day", sa.Text, primary_key=True, comment="YYYY-MM-DD in the connection's time zone"),
    sa.Column("what", sa.Text, primary_key=True, comment="arrived, runs, calls, failed calls, or a cause of drift"),
    sa.Column("times", sa.BigInteger, nullable=False),
)

problems = sa.Table(
    "problems",
    metadata,
    sa.Column("connection_id", sa.Text, sa.ForeignKey("connections.id"), primary_key=True),
    sa.Column("key", sa.Text, primary_key=True, comment="the cause: refused:1, quarantined:<hash>, segments, ..."),
    sa.Column("title", sa.Text, nullable=False, comment="in words, as it was last seen"),
    sa.Column("first_seen", Time, nullable=False),
    sa.Column("last_seen", Time, nullable=False),
    sa.Column("affected", sa.Integer, nullable=False),
    sa.Column("acknowledged_at", Time),
    sa.Column("acknowledged_by", sa.Text),
    sa.Column("acknowledged_affected", sa.Integer, nullable=False, server_default="0", comment="of how many then"),
    sa.Column("resolved_at", Time),
)

heartbeats = sa.Table(
    "heartbeats",
    metadata,
    sa.Column("name", sa.Text, primary_key=True, comment="clock"),
    sa.Column("at", Time, nullable=False),
)
