"""Real servers that die in the middle of their work: all is answered, once, as if nothing was."""

import signal
from pathlib import Path

from tests.jobs.steps import call, check_all_is_there_once, in_the_middle, kill_all, send
from tests.live import running_server
from undertone.prediction import Analysis

SETTINGS = {"UNDERTONE_JOB_LEASE_S": "3"}


def test_killed_in_the_middle(
    tmp_path: Path, voices: dict[str, bytes], expected: dict[str, Analysis]
) -> None:
    with running_server(tmp_path, **SETTINGS, UNDERTONE_JOB_THREADS="2") as server:
        job_id = send(server, voices)
        in_the_middle(server, job_id)
        kill_all(server)
    with running_server(tmp_path, **SETTINGS) as server:
        check_all_is_there_once(server, job_id, tmp_path, expected)
        assert call(f"{server.url}/jobs/{job_id}")["items"][0]["attempts"] == 2


def test_asked_to_stop_in_the_middle(
    tmp_path: Path, voices: dict[str, bytes], expected: dict[str, Analysis]
) -> None:
    """What is begun is finished or given back, so that nobody has to wait for a lease to end."""
    with running_server(tmp_path, UNDERTONE_JOB_LEASE_S="3600") as server:
        job_id = send(server, voices)
        in_the_middle(server, job_id)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=60) == 0
    with running_server(tmp_path, UNDERTONE_JOB_LEASE_S="3600") as server:
        check_all_is_there_once(server, job_id, tmp_path, expected)
        assert call(f"{server.url}/jobs/{job_id}")["items"][0]["attempts"] == 1


def test_two_servers_of_which_one_is_killed(
    tmp_path: Path, voices: dict[str, bytes], expected: dict[str, Analysis]
) -> None:
    with running_server(tmp_path, **SETTINGS) as one:
        job_id = send(one, voices)
        in_the_middle(one, job_id)
        with running_server(tmp_path, **SETTINGS) as other:
            kill_all(one)
            check_all_is_there_once(other, job_id, tmp_path, expected)
