from __future__ import annotations

import os
import signal

import msgspec

from gmcp_sandbox.cli.processes import WATCHERS_NICE, Watch, by_start, stepping_back


def test_a_watch_lasts_as_long_as_the_process(sessions):
    child = sessions.child()
    session, _ = sessions.make(child)
    with Watch(session) as watch:
        assert not watch.wait(0)
        watch.send(signal.SIGKILL)
        assert watch.wait(10_000)
        os.waitpid(child, 0)
        watch.send(signal.SIGKILL)
        assert watch.is_over


def test_a_later_process_of_the_same_number_is_not_signalled(sessions):
    child = sessions.child()
    session, _ = sessions.make(child)
    meta = session.meta()
    earlier = msgspec.structs.replace(meta.supervisor, started=meta.supervisor.started - 1)
    session.write_meta(msgspec.structs.replace(meta, supervisor=earlier))
    with Watch(session) as watch:
        assert watch.is_over
        watch.send(signal.SIGKILL)
    assert os.waitpid(child, os.WNOHANG) == (0, 0)


def test_a_session_without_facts_is_over(sessions):
    session, _ = sessions.make(os.getpid())
    (session.path / "meta.json").unlink()
    with Watch(session) as watch:
        assert watch.is_over
        assert watch.wait(0)


def test_sessions_come_in_the_order_in_which_they_started(sessions):
    first, second, silent = (sessions.make()[0] for _ in range(3))
    (silent.path / "meta.json").unlink()
    assert by_start([second, silent, first]) == [silent, first, second]


def test_who_watches_lets_others_go_first() -> None:
    child = os.fork()
    if child == 0:
        with stepping_back():
            os._exit(os.getpriority(os.PRIO_PROCESS, 0))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) >= WATCHERS_NICE
