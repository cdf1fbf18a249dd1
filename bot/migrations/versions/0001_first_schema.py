"""First schema: conversations, tickets, staff, revisions; revisions and audit rows can only be added."""

from alembic import op

from bot.tables import metadata as bot_metadata
from knowledge.store import metadata as knowledge_metadata

revision = "0001"
down_revision = None

APPEND_ONLY = ("revision", "audit", "ticket_event", "knowledge_event")


def upgrade() -> None:
    connection = op.get_bind()
    knowledge_metadata.create_all(connection)
    bot_metadata.create_all(connection)
    postgresql = connection.dialect.name == "postgresql"
    if postgresql:
        op.execute(
            "CREATE FUNCTION refuse_change() RETURNS trigger AS "
            "$$ BEGIN RAISE EXCEPTION 'append only'; END $$ LANGUAGE plpgsql"
        )
    for table in APPEND_ONLY:
        for verb in ("UPDATE", "DELETE"):
            name = f"{table}_no_{verb.lower()}"
            if postgresql:
                op.execute(
                    f"CREATE TRIGGER {name} BEFORE {verb} ON {table} "
                    "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
                )
            else:
                op.execute(
                    f"CREATE TRIGGER {name} BEFORE {verb} ON {table} "
                    "BEGIN SELECT RAISE(ABORT, 'append only'); END"
                )


def downgrade() -> None:
    connection = op.get_bind()
    bot_metadata.drop_all(connection)
    knowledge_metadata.drop_all(connection)
    if connection.dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_change()")
