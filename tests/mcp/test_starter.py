"""The process that starts programs, with real ones."""

import os
import select
import signal
import sys
from contextlib import contextmanager

import msgspec
import pytest

from gmcp_sandbox.mcp.frames import receive_packet, send_packet
from gmcp_sandbox.mcp.starter import PACKET, Exited, Report, Start, Started, Stop, fork_starter


@contextmanager
def starter():
    line = fork_starter(lambda: None)
    try:
        yield line
    finally:
        line.close()
        os.wait()


def hear(line, kind):
    while True:
        assert select.select([line], [], [], 20)[0], "the starter says nothing"
        data, fds = receive_packet(line, PACKET)
        report = msgspec.json.decode(data, type=Report)
        if isinstance(report, kind):
            return report, fds


def python(ticket, text, *, speaks=False, environment=None):
    return Start(ticket, (sys.executable, "-c", text), environment or {}, "/", speaks)


def test_a_program_speaks_over_its_pipes_and_its_end_is_told():
    with starter() as line:
        send_packet(line, python(1, "print(input()[::-1])", speaks=True))
        _, (sink, source) = hear(line, Started)
        os.write(sink, b"abc\n")
        os.close(sink)
        assert os.read(source, 100) == b"cba\n"
        os.close(source)
        assert hear(line, Exited)[0] == Exited(1, 0, "")


def test_a_program_has_the_descriptors_and_variables_that_it_is_given_and_no_others():
    text = "import os; os.write(3, repr((sorted(os.listdir('/proc/self/fd')), dict(os.environ))).encode())"
    reader, writer = os.pipe()
    with starter() as line:
        send_packet(line, python(1, text, environment={"KEY": "value"}), (writer,))
        os.close(writer)
        hear(line, Exited)
        descriptors, environment = eval(os.read(reader, 10000))
    os.close(reader)
    assert set(descriptors) == {"0", "1", "2", "3", "4"}  # the last is that of the look itself
    assert environment.get("KEY") == "value" and "HOME" not in environment


def test_the_end_of_what_it_wrote_to_its_standard_error_is_kept():
    with starter() as line:
        send_packet(line, python(1, "import sys; sys.stderr.write('x' * 100_000 + 'the end'); sys.exit(3)"))
        report, _ = hear(line, Exited)
        assert os.waitstatus_to_exitcode(report.status) == 3
        assert report.said.endswith("the end") and len(report.said) == 8 << 10


def test_what_cannot_be_started_says_so():
    with starter() as line:
        send_packet(line, Start(1, ("/nowhere/program",), {}, "/", True))
        _, fds = hear(line, Started)
        report, _ = hear(line, Exited)
        assert os.waitstatus_to_exitcode(report.status) == 127 and "No such file" in report.said
        for fd in fds:
            os.close(fd)


def test_a_program_is_ended_politely_and_then_not():
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(100)"
    with starter() as line:
        send_packet(line, python(1, "import time; time.sleep(100)"))
        hear(line, Started)
        send_packet(line, Stop(1))
        assert os.waitstatus_to_exitcode(hear(line, Exited)[0].status) == -signal.SIGTERM
        send_packet(line, python(2, stubborn, speaks=True))
        _, (sink, source) = hear(line, Started)
        assert os.read(source, 10) == b"up\n"
        send_packet(line, Stop(2))
        assert os.waitstatus_to_exitcode(hear(line, Exited)[0].status) == -signal.SIGKILL
        os.close(sink)
        os.close(source)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_of_the_terminal_do_not_end_it_and_its_programs_have_their_own(number):
    with starter() as line:
        send_packet(line, python(1, "import signal; print(signal.getsignal(15) is signal.SIG_DFL)", speaks=True))
        _, (sink, source) = hear(line, Started)
        assert os.read(source, 100) == b"True\n"
        hear(line, Exited)
        for fd in (sink, source):
            os.close(fd)


def test_everything_ends_with_the_line():
    with starter() as line:
        send_packet(line, python(1, "import os, time; print(os.getpid(), flush=True); time.sleep(100)", speaks=True))
        _, (sink, source) = hear(line, Started)
        pidfd = os.pidfd_open(int(os.read(source, 100)))
    assert select.select([pidfd], [], [], 10)[0], "the program lives on"
    for fd in (sink, source, pidfd):
        os.close(fd)
