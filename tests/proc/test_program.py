import errno
import os

import pytest

from gmcp_sandbox.proc.program import NOT_EXECUTABLE, NOT_FOUND, Program, exit_code_of


def _errno_of(program: Program) -> int:
    with pytest.raises(OSError) as caught:
        program.execute()
    return caught.value.errno or 0


@pytest.fixture
def here():
    before = os.getcwd()
    yield
    os.chdir(before)


@pytest.mark.usefixtures("here")
def test_a_program_that_is_nowhere_on_the_path_is_not_found(tmp_path):
    program = Program((b"no-such-program",), {b"PATH": os.fsencode(tmp_path)}, b"/")
    assert exit_code_of(_errno_of(program)) == NOT_FOUND


@pytest.mark.usefixtures("here")
def test_a_file_without_the_right_is_not_executable_even_when_other_directories_lack_it(tmp_path):
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    path = os.fsencode(tmp_path) + b":/nowhere"
    program = Program((b"tool",), {b"PATH": path}, b"/")
    assert exit_code_of(_errno_of(program)) == NOT_EXECUTABLE


@pytest.mark.usefixtures("here")
def test_a_name_with_a_slash_is_not_looked_for():
    assert _errno_of(Program((b"./sh",), {b"PATH": b"/bin"}, b"/etc")) == errno.ENOENT


@pytest.mark.usefixtures("here")
def test_a_file_that_is_no_program_is_told_apart(tmp_path):
    file = tmp_path / "garbage"
    file.write_bytes(b"\x7fELF but not really")
    file.chmod(0o755)
    failure = _errno_of(Program((os.fsencode(file),), {}, b"/"))
    assert failure == errno.ENOEXEC
    assert exit_code_of(failure) == NOT_EXECUTABLE
