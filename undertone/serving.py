"""The server's worker: gunicorn's, and a time limit for who is slow to say what they want."""

from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from undertone.capacity import deadlines


class Worker(ThreadWorker):  # type: ignore[misc]
    """A worker with threads, none of which a slow client holds for long."""

    def handle(self, conn: Any) -> Any:
        """Read a request, which must be soon, and answer it."""
        deadlines.set(conn.sock, deadlines.patience_s)
        try:
            return super().handle(conn)
        finally:
            deadlines.clear(conn.sock)

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Answer a request whose head has been read."""
        deadlines.clear(conn.sock)
        return super().handle_request(req, conn)

    def murder_pending(self) -> None:
        """Every second: end what has lasted too long."""
        super().murder_pending()
        deadlines.sweep()
