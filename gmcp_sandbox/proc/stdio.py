"""Standard input, output and error of the agent: always pipes or a terminal of our own.

An inherited descriptor can be opened anew through /proc/self/fd with other rights, and a terminal that is shared takes
commands by ioctl; so nothing of the caller's goes inside. The front copies bytes between the two sides.
"""

from __future__ import annotations

import os

import msgspec

from gmcp_sandbox.proc.identity import Identity


class Stdio(msgspec.Struct, frozen=True):
    """Which of 0, 1 and 2 are our terminal, and pipes for those that are not.

    Attributes:
        agent_side: For each of 0, 1, 2 the agent's end of a pipe, or None where it is the terminal.
        front_side: The other ends.
    """

    agent_side: tuple[int | None, int | None, int | None]
    front_side: tuple[int | None, int | None, int | None]

    @classmethod
    def like_ours(cls, identity: Identity) -> Stdio:
        """Make a terminal's place wherever the caller has a terminal, and a pipe wherever not."""
        agent: list[int | None] = []
        front: list[int | None] = []
        for number in (0, 1, 2):
            if _is_terminal(number):
                ends: tuple[int | None, int | None] = (None, None)
            else:
                read_end, write_end = os.pipe()
                ends = (read_end, write_end) if number == 0 else (write_end, read_end)
                if identity.is_root and ends[0] is not None:
                    os.fchown(ends[0], identity.base_uid, identity.base_gid)  # /dev/stdout opens it anew
            agent.append(ends[0])
            front.append(ends[1])
        return cls((agent[0], agent[1], agent[2]), (front[0], front[1], front[2]))

    @property
    def has_terminal(self) -> bool:
        """True when any of the three is a terminal."""
        return None in self.agent_side

    def install(self, terminal: int | None) -> None:
        """In the agent's process: put the ends at 0, 1 and 2."""
        for number, fd in enumerate(self.agent_side):
            source = terminal if fd is None else fd
            if source is None:
                raise OSError("no terminal for a standard descriptor")
            os.dup2(source, number, inheritable=True)

    def close_agent_side(self) -> None:
        """Close the agent's ends here, so that their readers see the end of file."""
        _close(self.agent_side)

    def close_front_side(self) -> None:
        """Close the front's ends here."""
        _close(self.front_side)


def _close(fds: tuple[int | None, ...]) -> None:
    for fd in fds:
        if fd is not None:
            os.close(fd)


def _is_terminal(number: int) -> bool:
    try:
        return os.isatty(number)
    except OSError:
        return False
