"""The first tables: decisions, their cards and rules, feedback, what the site has set, used tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_TIME = sa.DateTime(timezone=True)
_LISTS = ("read", "found", "missing", "failures", "silent", "held", "timings")


def upgrade() -> None:
    """Makes them."""
    op.create_table(
        "decision",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("service", sa.String(128), nullable=False),
        sa.Column("hook", sa.String(128), nullable=False),
        sa.Column("client", sa.String(128), nullable=False),
        sa.Column("patient_pseudonym", sa.String(100)),
        sa.Column("user_pseudonym", sa.String(100)),
        sa.Column("instance_pseudonym", sa.String(100)),
        sa.Column("knowledge", sa.String(128), nullable=False),
        *(sa.Column(name, sa.JSON, nullable=False) for name in _LISTS),
        sa.Column("took_ms", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_decision"),
    )
    op.create_index("ix_decision_at", "decision", ["at"])
    op.create_index("ix_decision_patient_pseudonym_at", "decision", ["patient_pseudonym", "at"])
    op.create_table(
        "card",
        sa.Column("uuid", sa.String(36), nullable=False),
        sa.Column("decision", sa.String(36), nullable=False),
        sa.Column("indicator", sa.String(128), nullable=False),
        sa.Column("result_pseudonym", sa.String(100)),
        sa.Column("said_pseudonym", sa.String(100)),
        sa.PrimaryKeyConstraint("uuid", name="pk_card"),
        sa.ForeignKeyConstraint(["decision"], ["decision.id"], name="fk_card", ondelete="CASCADE"),
    )
    op.create_index("ix_card_decision", "card", ["decision"])
    op.create_index("ix_card_said_pseudonym", "card", ["said_pseudonym"])
    op.create_table(
        "card_rule",
        sa.Column("card", sa.String(36), nullable=False),
        sa.Column("rule", sa.String(128), nullable=False),
        sa.Column("finding", sa.String(128), nullable=False),
        sa.Column("version", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("card", "rule", "finding", name="pk_card_rule"),
        sa.ForeignKeyConstraint(["card"], ["card.uuid"], name="fk_card_rule", ondelete="CASCADE"),
    )
    _what_comes_by_itself()


def _what_comes_by_itself() -> None:
    """Feedback may be about a card that is not known, and a token is about none."""
    op.create_table(
        "feedback",
        sa.Column("card", sa.String(36), nullable=False),
        sa.Column("outcome", sa.String(128), nullable=False),
        sa.Column("outcome_at", _TIME, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("received_at", _TIME, nullable=False),
        sa.Column("service", sa.String(128), nullable=False),
        sa.Column("client", sa.String(128), nullable=False),
        sa.Column("accepted_suggestions", sa.JSON, nullable=False),
        sa.Column("reason_system", sa.String(256)),
        sa.Column("reason_code", sa.String(128)),
        sa.Column("comment", sa.Text),
        sa.PrimaryKeyConstraint("card", "outcome", "outcome_at", "digest", name="pk_feedback"),
    )
    op.create_index("ix_feedback_received_at", "feedback", ["received_at"])
    op.create_table(
        "site_change",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("what", sa.String(128), nullable=False),
        sa.Column("value", sa.String(128), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_site_change"),
    )
    op.create_index("ix_site_change_at", "site_change", ["at"])
    op.create_table(
        "seen_token",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("expires", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_seen_token"),
    )
    op.create_index("ix_seen_token_expires", "seen_token", ["expires"])


def downgrade() -> None:
    """Takes them away, and all that is in them."""
    for table in ("seen_token", "site_change", "feedback", "card_rule", "card", "decision"):
        op.drop_table(table)
