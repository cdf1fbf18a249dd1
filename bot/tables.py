"""The tables of conversations, tickets and staff."""

from __future__ import annotations

import sqlalchemy as sa

from knowledge.columns import AwareDateTime

metadata = sa.MetaData()

conversation = sa.Table(
    "conversation",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("token_hash", sa.String(64), nullable=False),
    sa.Column("channel", sa.String(32), nullable=False),
    sa.Column("locale", sa.String(16), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("created_at", AwareDateTime, nullable=False),
    sa.Column("last_at", AwareDateTime, nullable=False),
    sa.Column("rasa_sender", sa.String(32), nullable=False),
    sa.Column("rasa_turns", sa.Integer, nullable=False),
    sa.Column("memory", sa.JSON, nullable=False),
)

turn = sa.Table(
    "turn",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(32), nullable=False, unique=True),
    sa.Column("conversation_id", sa.String(32), sa.ForeignKey("conversation.id"), nullable=False),
    sa.Column("message_key", sa.String(80), nullable=False),
    sa.Column("body_digest", sa.String(64), nullable=False),
    sa.Column("text", sa.Text),
    sa.Column("choice", sa.String(120)),
    sa.Column("received_at", AwareDateTime, nullable=False),
    sa.Column("state", sa.String(8), nullable=False),
    sa.UniqueConstraint("conversation_id", "message_key"),
    sa.Index("turn_open", "state", sqlite_where=sa.text("state = 'new'"), postgresql_where=sa.text("state = 'new'")),
)

reply = sa.Table(
    "reply",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(32), nullable=False, unique=True),
    sa.Column("conversation_id", sa.String(32), sa.ForeignKey("conversation.id"), nullable=False),
    sa.Column("turn_id", sa.String(32)),
    sa.Column("author", sa.String(80)),
    sa.Column("body", sa.JSON, nullable=False),
    sa.Column("trace", sa.JSON, nullable=False),
    sa.Column("created_at", AwareDateTime, nullable=False),
    sa.Index("reply_conversation", "conversation_id", "seq"),
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("conversation_id", sa.String(32), nullable=False),
    sa.Column("reply_id", sa.String(32), sa.ForeignKey("reply.id"), nullable=False, unique=True),
    sa.Column("channel", sa.String(32), nullable=False),
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("created_at", AwareDateTime, nullable=False),
    sa.Column("sent_at", AwareDateTime),
    sa.Index(
        "outbox_new", "conversation_id", "seq",
        sqlite_where=sa.text("state = 'new'"), postgresql_where=sa.text("state = 'new'"),
    ),
)  # fmt: skip

ticket = sa.Table(
    "ticket",
    metadata,
    sa.Column("number", sa.String(24), primary_key=True),
    sa.Column("code_hash", sa.String(64), nullable=False),
    sa.Column("conversation_id", sa.String(32), sa.ForeignKey("conversation.id"), nullable=False),
    sa.Column("turn_id", sa.String(32), unique=True),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("outcome", sa.String(32)),
    sa.Column("reason", sa.String(32), nullable=False),
    sa.Column("urgent", sa.Boolean, nullable=False),
    sa.Column("area", sa.String(4)),
    sa.Column("question", sa.Text, nullable=False),
    sa.Column("opened_at", AwareDateTime, nullable=False),
    sa.Column("due_at", AwareDateTime, nullable=False),
    sa.Column("due_estimated", sa.Boolean, nullable=False),
    sa.Column("assignee", sa.String(80)),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("wrong_codes", sa.Integer, nullable=False),
    sa.Column("locked_until", AwareDateTime),
    sa.Index("ticket_state_due", "state", "due_at"),
)

ticket_event = sa.Table(
    "ticket_event",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("number", sa.String(24), sa.ForeignKey("ticket.number"), nullable=False, index=True),
    sa.Column("at", AwareDateTime, nullable=False),
    sa.Column("who", sa.String(80), nullable=False),
    sa.Column("what", sa.String(16), nullable=False),
    sa.Column("text", sa.Text),
)

staff = sa.Table(
    "staff",
    metadata,
    sa.Column("name", sa.String(80), primary_key=True),
    sa.Column("password_hash", sa.String(255), nullable=False),
    sa.Column("roles", sa.JSON, nullable=False),
    sa.Column("created_at", AwareDateTime, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("locked_until", AwareDateTime),
)

staff_session = sa.Table(
    "staff_session",
    metadata,
    sa.Column("id_hash", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(80), sa.ForeignKey("staff.name"), nullable=False),
    sa.Column("csrf", sa.String(64), nullable=False),
    sa.Column("last_at", AwareDateTime, nullable=False),
)

feedback = sa.Table(
    "feedback",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("reply_id", sa.String(32), nullable=False, index=True),
    sa.Column("useful", sa.Boolean, nullable=False),
    sa.Column("comment", sa.Text),
    sa.Column("at", AwareDateTime, nullable=False),
)

guided_service = sa.Table(
    "guided_service",
    metadata,
    sa.Column("code_hash", sa.String(64), primary_key=True),
    sa.Column("scenario", sa.String(64), nullable=False),
    sa.Column("state", sa.JSON, nullable=False),
    sa.Column("created_at", AwareDateTime, nullable=False),
    sa.Column("expires_at", AwareDateTime, nullable=False, index=True),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at", AwareDateTime, nullable=False),
    sa.Column("who", sa.String(80), nullable=False),
    sa.Column("what", sa.String(64), nullable=False),
    sa.Column("about", sa.String(120), nullable=False),
    sa.Column("previous", sa.String(64), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False, unique=True),
)
