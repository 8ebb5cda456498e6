"""The agent's program as it will be executed inside."""

from __future__ import annotations

import errno
import os
from typing import NoReturn

import msgspec

NOT_FOUND = 127
NOT_EXECUTABLE = 126


class Program(msgspec.Struct, frozen=True):
    """What to run: names and paths are those of the view.

    Attributes:
        argv: At least the program's name; without a slash it is looked for along PATH, inside.
        environment: The whole environment, already filtered.
        cwd: Working directory.
    """

    argv: tuple[bytes, ...]
    environment: dict[bytes, bytes]
    cwd: bytes

    def execute(self) -> NoReturn:
        """Become the program. Raises OSError: the errno of the most telling attempt, as execvp(3) chooses it."""
        os.chdir(self.cwd)
        failure = OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        for path in self._candidates():
            try:
                os.execve(path, self.argv, self.environment)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                    if error.errno != errno.EACCES:
                        raise
                    failure = error
        raise failure

    def _candidates(self) -> list[bytes]:
        name = self.argv[0]
        if b"/" in name:
            return [name]
        path = self.environment.get(b"PATH", b"/usr/local/bin:/usr/bin:/bin")
        return [(entry or b".") + b"/" + name for entry in path.split(b":")]


def exit_code_of(failure: int) -> int:
    """Return the exit code for an errno of exec: 127 when there is no such program, 126 when it may not run."""
    return NOT_FOUND if failure in (errno.ENOENT, errno.ENOTDIR) else NOT_EXECUTABLE
