"""Owner of each analysis and job: the id of the API key used to create it.

Older rows have no owner. Keys with the role ``admin`` see them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the columns, and the indexes for one owner's lists."""
    for table in ("analyses", "jobs"):
        op.add_column(table, sa.Column("owner", sa.String(64), nullable=False, server_default=""))
    listed = ["created_at", "id", "label", "model", "uncertain", "search_key"]
    op.create_index("ix_analyses_owned", "analyses", ["owner", *listed])
    op.create_index(
        "ix_analyses_owned_named", "analyses", ["owner", "filename", "created_at", "id"]
    )
    op.create_index("ix_jobs_owned", "jobs", ["owner", "created_at", "id"])
