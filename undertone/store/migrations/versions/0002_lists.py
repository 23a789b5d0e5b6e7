"""Columns for listed and filtered values; a separate table for documents and spectrograms."""

import base64
import unicodedata
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

ROWS_AT_A_TIME = 500
STRIP_STEPS = 60


def upgrade() -> None:
    """Create the new tables and move every analysis into them."""
    op.rename_table("analyses", "analyses_0001")
    for column in ("created_at", "filename", "label"):
        op.drop_index(f"ix_analyses_{column}", "analyses_0001")
    analyses, documents = _create_tables()
    connection = op.get_bind()
    for old in _old_rows(connection):
        connection.execute(sa.insert(analyses), [_analysis(row) for row in old])
        connection.execute(sa.insert(documents), [_document(row) for row in old])
    op.drop_table("analyses_0001")


def _create_tables() -> tuple[sa.Table, sa.Table]:
    analyses = op.create_table(
        "analyses",
        sa.Column("id", sa.String(64)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("filename", sa.String, nullable=False),
        sa.Column("search_key", sa.String, nullable=False),
        sa.Column("label", sa.String(32), nullable=False),
        sa.Column("confidence", sa.Float, nullable=False),
        sa.Column("uncertain", sa.Boolean, nullable=False),
        sa.Column("probabilities", sa.JSON, nullable=False),
        sa.Column("sentiment_score", sa.Float, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("model_id", sa.String, nullable=False),
        sa.Column("duration_s", sa.Float, nullable=False),
        sa.Column("strip", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_analyses"),
    )
    listed = ["created_at", "id", "label", "model", "uncertain", "search_key"]
    op.create_index("ix_analyses_listed", "analyses", listed)
    op.create_index("ix_analyses_named", "analyses", ["filename", "created_at"])
    documents = op.create_table(
        "documents",
        sa.Column("id", sa.String(64), sa.ForeignKey("analyses.id", ondelete="CASCADE")),
        sa.Column("document", sa.JSON, nullable=False),
        sa.Column("spectrogram", sa.LargeBinary),
        sa.PrimaryKeyConstraint("id", name="pk_documents"),
    )
    return analyses, documents


def _old_rows(connection: sa.Connection) -> Iterator[list[Any]]:
    old = sa.table(
        "analyses_0001",
        sa.column("id", sa.String),
        sa.column("created_at", sa.DateTime(timezone=True)),
        sa.column("document", sa.JSON),
    )
    last = ""
    while True:
        query = sa.select(old).where(old.c.id > last).order_by(old.c.id).limit(ROWS_AT_A_TIME)
        rows = list(connection.execute(query))
        if not rows:
            return
        yield rows
        last = rows[-1].id


def _analysis(row: Any) -> dict[str, Any]:
    document = row.document
    prediction = document["prediction"]
    return {
        "id": row.id,
        "created_at": row.created_at,
        "filename": document["filename"],
        "search_key": unicodedata.normalize("NFC", document["filename"].casefold())[:400],
        "label": prediction["label"],
        "confidence": prediction["confidence"],
        "uncertain": prediction["uncertain"],
        "probabilities": prediction["probabilities"],
        "sentiment_score": prediction["sentiment"]["score"],
        "model": prediction["model"],
        "model_id": document.get("model_id", ""),
        "duration_s": document["duration_s"],
        "strip": _strip(document["segments"], document["duration_s"]),
    }


def _strip(segments: list[dict[str, Any]], duration_s: float) -> list[list[str | int]]:
    runs: list[list[Any]] = []
    for step in range(STRIP_STEPS if segments else 0):
        now_s = (step + 0.5) * duration_s / STRIP_STEPS
        heard = [s for s in segments if s["start_s"] <= now_s] or segments
        label = (heard[-1] if heard is not segments else segments[0])["prediction"]["label"]
        if runs and runs[-1][0] == label:
            runs[-1][1] += 1
        else:
            runs.append([label, 1])
    return runs


def _document(row: Any) -> dict[str, Any]:
    document = dict(row.document)
    spectrogram = document.get("spectrogram")
    packed = base64.b64decode(spectrogram.pop("levels")) if spectrogram else None
    return {"id": row.id, "document": document, "spectrogram": packed}
