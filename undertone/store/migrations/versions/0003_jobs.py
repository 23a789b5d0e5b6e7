"""Tables for jobs, their recordings and their webhooks."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(64)),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT),
        sa.Column("finished_at", MOMENT),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("n_labels", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_listed", "jobs", ["created_at", "id"])
    op.create_table(
        "job_items",
        sa.Column("job_id", sa.String(64), sa.ForeignKey("jobs.id", ondelete="CASCADE")),
        sa.Column("number", sa.Integer),
        sa.Column("filename", sa.String, nullable=False),
        sa.Column("n_bytes", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("turn_at", MOMENT, nullable=False),
        sa.Column("progress", sa.Float, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("claim", sa.String(32)),
        sa.Column("lease_until", MOMENT),
        sa.Column("analysis_id", sa.String(64), sa.ForeignKey("analyses.id", ondelete="CASCADE")),
        sa.Column("error", sa.JSON),
        sa.PrimaryKeyConstraint("job_id", "number", name="pk_job_items"),
    )
    op.create_index("ix_job_items_turns", "job_items", ["state", "turn_at"])
    op.create_index("ix_job_items_analysis", "job_items", ["analysis_id"])
    op.create_table(
        "webhooks",
        sa.Column("job_id", sa.String(64), sa.ForeignKey("jobs.id", ondelete="CASCADE")),
        sa.Column("url", sa.String, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("due_at", MOMENT),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("problem", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("job_id", name="pk_webhooks"),
    )
    op.create_index("ix_webhooks_due", "webhooks", ["state", "due_at"])
