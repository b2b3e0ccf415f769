# SPDX-License-Identifier: MIT
"""Real servers under initd as PID 1: start, answer, and end without losing a request or leaving a process."""

import signal

import pytest

from harness import get
from serving import SERVERS


@pytest.mark.parametrize("server", SERVERS.values(), ids=SERVERS)
def test_sigterm_during_a_request_lets_it_finish_and_leaves_no_process(serve, server):
    serving = serve(server.command)
    assert get(serving.port, "/health").status == 200
    assert len(serving.members()) > server.processes
    answer = get(serving.port, "/slow")
    assert answer.readline() == b"begin\n"
    serving.run.kill(signal.SIGTERM)
    serving.run.logs("initd: info: stopping: SIGTERM")
    assert answer.read() == b"end\n"
    assert serving.run.wait() == server.exit_code
    assert not serving.members()


def test_a_success_code_makes_uvicorns_end_by_sigterm_a_success(serve):
    serving = serve(SERVERS["uvicorn"].command, INITD_SERVER_SUCCESS_CODES="0,143")
    serving.run.kill(signal.SIGTERM)
    assert serving.run.wait() == 0
