"""The tables. Times are epoch seconds (UTC) as floats: the same on SQLite and PostgreSQL, and exact in JSON."""

import sqlalchemy as sa

from relay.store.standing import STANDING

metadata = sa.MetaData()

Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
Time = sa.Double

connections = sa.Table(
    "connections",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("created_at", Time, nullable=False),
    sa.Column("ehq_url", sa.Text, nullable=False),
    sa.Column("ehq_credential", sa.Text, nullable=False, comment="encrypted"),
    sa.Column("cm_credential", sa.Text, comment="encrypted; an API key or a pair of tokens"),
    sa.Column("cm_token_expires_at", Time),
    sa.Column("cm_account", sa.Text, comment="its primary contact's address; empty where CM does not tell"),
    sa.Column("cm_client_id", sa.Text),
    sa.Column("cm_list_id", sa.Text),
    sa.Column("cm_list_name", sa.Text),
    sa.Column("webhook_secrets", sa.Text, nullable=False, comment="encrypted; each with the time it ends, if any"),
    sa.Column("rules", sa.JSON, nullable=False),
    sa.Column("state", sa.Text, nullable=False, comment="setup, on, paused or needs_person"),
    sa.Column("problem", sa.JSON, comment="message, remedy, code and since, while it needs a person or is held"),
    sa.Column("held_until", Time, comment="nothing is written to CM before this; forgotten at the first success"),
    sa.Column("held_times", sa.Integer, nullable=False, server_default="0"),
    sa.Column("segments_due", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("segments_after", Time, comment="CM was busy with one: segments are not looked at before this"),
    sa.Column("rules_kept", sa.JSON, comment="rules of people's own segments, while a call may cost them"),
    sa.Column("switches", sa.JSON, comment="what a probe found out about CM"),
    sa.Column("compared_rules", sa.JSON, comment="audience and overrides by which all were last compared"),
    sa.Column(
        "read_overrides", sa.Text, comment="hash of those by which EHQ was last read whole, or which a person confirmed"
    ),
    sa.Column("remap_due", sa.Boolean, nullable=False, server_default=sa.false(), comment="compare everybody again"),
    sa.Column("next_run_at", Time),
    sa.Column(
        "cm_hook", sa.Text, comment="encrypted; the token in the address CM notifies, and CM's id of the webhook"
    ),
    sa.Column("cm_hook_problem", sa.JSON, comment="message, remedy, code and since, while CM cannot notify us"),
    sa.Column("reads", sa.Text, nullable=False, server_default="api", comment="api, or export: only by uploads"),
    sa.Column("exported_at", Time, comment="when the export was made that was last read to its end"),
    sa.Column("list_unread", sa.Boolean, nullable=False, server_default=sa.false(), comment="connected before"),
)

participants = sa.Table(
    "participants",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("connection_id", sa.Text, sa.ForeignKey("connections.id"), nullable=False),
    sa.Column("ehq_id", sa.Text, nullable=False),
    # What EHQ last said.
    sa.Column("email", sa.Text, comment="lower case"),
    sa.Column("values", sa.JSON, nullable=False),
    sa.Column("heard", sa.JSON, nullable=False, comment="per field group, the webhook that said it last"),
    sa.Column("heard_at", Time, comment="when the latest webhook that `heard` remembers was received"),
    sa.Column("page_asked_at", Time, comment="when the page that last listed them was asked for"),
    sa.Column("page_updated_at", Time, comment="their updated-at on that page, EHQ's clock"),
    sa.Column("seen_run", Id, comment="the run that last saw them in EHQ"),
    sa.Column("absent_runs", sa.Integer, nullable=False, server_default="0"),
    sa.Column("gone", sa.Boolean, nullable=False, server_default=sa.false(), comment="absent, and past the brake"),
    # What CM was last known to hold.
    sa.Column("cm_email", sa.Text, comment="lower case"),
    sa.Column("cm_state", sa.Text),
    sa.Column("cm_name", sa.Text),
    sa.Column("cm_fields", sa.JSON, nullable=False),
    sa.Column("cm_seen_run", Id),
    sa.Column("cm_written_at", Time, comment="a read that was asked for earlier says nothing new"),
    # What we did and what waits.
    sa.Column("put_at", Time, comment="set before CM is first asked to hold them: from then on they are ours"),
    sa.Column("removed_at", Time, comment="set before we remove them, only while CM says Active"),
    sa.Column("waiting_since", Time, comment="the two sides differ"),
    sa.Column("lane", sa.SmallInteger, nullable=False, server_default="1", comment="0 leaving, 1 live, 2 bulk"),
    sa.Column("revision", sa.Integer, nullable=False, server_default="0", comment="counts changes of EHQ's side"),
    sa.Column("refused_code", sa.Text),
    sa.Column("refused_for", sa.Text, comment="fingerprint of what was refused"),
    sa.Column("refused_at", Time),
    sa.Column("held_until", Time),
    sa.Column("held_times", sa.Integer, nullable=False, server_default="0"),
    sa.Column("cause", sa.Text, comment="why they differ, where it was no word of EHQ's"),
    sa.Column("cause_run", Id, comment="the run that found them so, until they are written"),
    sa.Column("brake_run", Id, comment="the run whose brake holds them on the list; 0: a person said that they stay"),
    sa.Column("cm_hinted_at", Time, comment="CM told of a change about them: they are to be read there"),
    sa.Column("cm_moved_to", sa.Text, comment="lower case; where CM told that they are now"),
    sa.Column("asked", sa.Text, comment="what somebody asked for: sync, then read; or erase"),
    sa.Column("erased_mark", sa.Text, comment="keyed hash of an erased address that we removed in CM"),
    # By what people are found.
    sa.Column("sought", sa.Text, comment="name, log-in name and address, in lower case"),
    sa.Column("why_not", sa.Text, comment="why they do not belong, when last judged; a key of WHY_NOT"),
    sa.Column("standing", sa.Text, sa.Computed(STANDING), comment="one word, made by the database itself"),
    sa.UniqueConstraint("connection_id", "ehq_id"),
)
sa.Index("participants_email", participants.c.connection_id, participants.c.email)
sa.Index("participants_cm_email", participants.c.connection_id, participants.c.cm_email)
_mine = participants.c.connection_id
sa.Index("participants_sought", _mine, participants.c.sought, participants.c.standing, participants.c.id)
sa.Index("participants_standing", _mine, participants.c.standing, participants.c.id)
sa.Index("participants_put", _mine, participants.c.put_at)
for _name, _columns, _some in (
    ("refused", ("refused_code", "id"), participants.c.refused_code.is_not(None)),
    ("asked", ("id",), participants.c.asked.is_not(None)),
    ("erased", ("erased_mark",), participants.c.erased_mark.is_not(None)),
    ("waiting", ("lane", "waiting_since"), participants.c.waiting_since.is_not(None)),
    ("hinted", ("cm_hinted_at",), participants.c.cm_hinted_at.is_not(None)),
    ("held", ("brake_run",), participants.c.brake_run.is_not(None)),
    ("failed", ("id",), participants.c.why_not == "failed"),
):
    _listed = [participants.c[column] for column in _columns]
    sa.Index(f"participants_{_name}", _mine, *_listed, postgresql_where=_some, sqlite_where=_some)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("connection_id", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False, comment="the participant's or group's EHQ id, if it can be told"),
    sa.Column("received_at", Time, nullable=False),
    sa.Column("headers", sa.Text, comment="a few that tell the sender, as JSON; never a secret"),
    sa.Column("body", sa.LargeBinary, comment="encrypted; dropped after 14 days, the row after 30"),
    sa.Column("state", sa.Text, nullable=False, comment="waiting, applied or quarantined"),
    sa.Column("reason", sa.Text),
    sa.UniqueConstraint("connection_id", "key"),
)
_unapplied = deliveries.c.state == "waiting"
_arrived = (deliveries.c.connection_id, deliveries.c.id)
sa.Index("deliveries_waiting", *_arrived, postgresql_where=_unapplied, sqlite_where=_unapplied)
sa.Index("deliveries_received", deliveries.c.connection_id, deliveries.c.received_at, deliveries.c.id)
_unread = deliveries.c.state == "quarantined"
_newest = (deliveries.c.connection_id, deliveries.c.received_at, deliveries.c.id)
sa.Index("deliveries_quarantined", *_newest, postgresql_where=_unread, sqlite_where=_unread)
sa.Index("deliveries_subject", deliveries.c.connection_id, deliveries.c.subject)

fields = sa.Table(
    "fields",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("connection_id", sa.Text, sa.ForeignKey("connections.id"), nullable=False),
    sa.Column("source", sa.Text, nullable=False, comment='"answer:<question id>", "former:…" or a base field'),
    sa.Column("also", sa.Text, comment="its id in EHQ, where an export had told of it by its label before"),
    sa.Column("label", sa.Text, nullable=False, comment="as EHQ calls it now"),
    sa.Column("earlier", sa.JSON, nullable=False, server_default="[]", comment="labels it had before"),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False, comment="CM's DataType"),
    sa.Column("choices", sa.JSON, nullable=False, comment="options that EHQ named"),
    sa.Column("name", sa.Text, comment="in CM; null until created or adopted"),
    sa.Column("key", sa.Text, comment="as CM returned it"),
    sa.Column("options", sa.JSON, nullable=False, comment="options that CM holds"),
    sa.Column("asked", sa.Boolean, nullable=False, server_default=sa.true(), comment="the last complete run met it"),
    sa.Column("problem", sa.Text, comment="why CM does not take it, or no more options of it"),
    sa.Column("cut", sa.Integer, nullable=False, server_default="0", comment="values cut, when last counted"),
    sa.Column("skipped", sa.Integer, nullable=False, server_default="0", comment="values skipped, likewise"),
    sa.Column("counted_run", Id, comment="the run that counted them"),
    sa.UniqueConstraint("connection_id", "source"),
)

groups = sa.Table(
    "groups",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("connection_id", sa.Text, sa.ForeignKey("connections.id"), nullable=False),
    sa.Column("ehq_id", sa.Text, nullable=False),
    sa.Column("also", sa.Text, comment="its id in EHQ, where an export had told of it by its name before"),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("heard_at", Time, nullable=False, server_default="0", comment="version of the name"),
    sa.Column("option", sa.Text, nullable=False, comment="kept as created, whatever the group is called later"),
    sa.Column("title", sa.Text, comment="of the segment in CM"),
    sa.Column("segment_id", sa.Text),
    sa.Column("problem", sa.Text, comment="why the segment could not be made true"),
    sa.Column("seen_run", Id, comment="the run that last saw it in EHQ"),
    sa.Column("absent_runs", sa.Integer, nullable=False, server_default="0"),
    sa.Column("deleted", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("members_told_at", Time, comment="EHQ told that its members changed: they are to be read"),
    sa.Column("members_after", Time, comment="but not before this"),
    sa.UniqueConstraint("connection_id", "ehq_id"),
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("connection_id", sa.Text, sa.ForeignKey("connections.id"), nullable=False),
    sa.Column("trigger", sa.Text, nullable=False, comment="clock, person or change"),
    sa.Column("dry", sa.Boolean, nullable=False),
    sa.Column(
        "state", sa.Text, nullable=False, comment="running, completed, incomplete, braked, stopped, needs_person"
    ),
    sa.Column("phase", sa.Text, nullable=False),
    sa.Column("cursor", sa.JSON, nullable=False),
    sa.Column("counts", sa.JSON, nullable=False),
    sa.Column("started_at", Time, nullable=False),
    sa.Column("stepped_at", Time, nullable=False),
    sa.Column("finished_at", Time),
    sa.Column("problem", sa.JSON),
    sa.Column("decision", sa.JSON, comment="what a person decided about it: the brake, an undo"),
)
_running = runs.c.state == "running"
sa.Index("runs_one_at_a_time", runs.c.connection_id, unique=True, postgresql_where=_running, sqlite_where=_running)
sa.Index("runs_started", runs.c.connection_id, runs.c.started_at)

changes = sa.Table(
    "changes",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("connection_id", sa.Text, nullable=False),
    sa.Column("participant_id", Id, nullable=False),
    sa.Column("at", Time, nullable=False),
    sa.Column("what", sa.Text, nullable=False, comment="joined, changed, moved, left, restored, refused, opted_out"),
    sa.Column("run_id", Id),
    sa.Column("cause", sa.Text, comment="of the drift that a run repaired"),
    sa.Column("detail", sa.JSON, comment="names of fields, CM's code; never an answer"),
)
sa.Index("changes_person", changes.c.participant_id, changes.c.at)
sa.Index("changes_run", changes.c.run_id)

users = sa.Table(
    "users",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("email", sa.Text, nullable=False, unique=True, comment="lower case"),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False, comment="viewer, operator or admin"),
    sa.Column("password_hash", sa.Text, comment="scrypt; null: invited, and not here yet"),
    sa.Column("created_at", Time, nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("round", sa.Integer, nullable=False, server_default="0", comment="when it grows, sessions and links end"),
    sa.Column("last_seen_at", Time),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("at", Time, nullable=False),
    sa.Column("user_id", Id, comment="null: the command line"),
    sa.Column("connection_id", sa.Text),
    sa.Column("participant_id", Id),
    sa.Column("what", sa.Text, nullable=False, comment='in the past tense, as "paused the connection"'),
    sa.Column("detail", sa.JSON, comment="before and after; never a secret, an address of a participant or an answer"),
)
sa.Index("audit_at", audit.c.at)
sa.Index("audit_user", audit.c.user_id, audit.c.id)
sa.Index("audit_connection", audit.c.connection_id, audit.c.id)
sa.Index("audit_what", audit.c.what, audit.c.id)
exports = sa.Table(
    "exports",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("connection_id", sa.Text, sa.ForeignKey("connections.id"), nullable=False),
    sa.Column("uploaded_at", Time, nullable=False),
    sa.Column("made_at", Time, nullable=False, comment="when EHQ made it: a webhook received later knows better"),
    sa.Column("run_id", Id, comment="the run that reads it, or read it last"),
    sa.Column("summary", sa.JSON, nullable=False, comment="files, counts and warnings; nobody's data"),
)
sa.Index("exports_connection", exports.c.connection_id)

export_pages = sa.Table(
    "export_pages",
    metadata,
    sa.Column("export_id", Id, sa.ForeignKey("exports.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False, comment="rows of people, encrypted; gone when the run has ended"),
    sa.Column("run_id", Id, comment="the run that found out who they are"),
    sa.Column("ids", sa.JSON, comment="for each row the turn and the EHQ id found"),
)

removals = sa.Table(
    "removals",
    metadata,
    sa.Column("list_id", sa.Text, primary_key=True, comment="in CM"),
    sa.Column("mark", sa.Text, primary_key=True, comment="keyed hash of the address"),
    sa.Column("at", Time, nullable=False, comment="when we removed whoever was there"),
)

meters = sa.Table(
    "meters",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("label", sa.Text, primary_key=True),
    sa.Column("outcome", sa.Text, primary_key=True),
    sa.Column("times", sa.BigInteger, nullable=False),
    sa.Column("seconds", Time, nullable=False),
)

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("until", Time, nullable=False),
)
