"""Guided services kept under a code: paused forms and results, for 30 days."""

from alembic import op

from bot.tables import guided_service

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    guided_service.create(op.get_bind(), checkfirst=True)


def downgrade() -> None:
    guided_service.drop(op.get_bind(), checkfirst=True)
