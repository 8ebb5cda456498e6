"""What runs inside each world: one program started again and again, the median in microseconds on standard output.

Only the standard library; the file is copied into the workspace. Arguments: how often, then for each program its path.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from time import perf_counter_ns


def start_us(program: str, count: int) -> float:
    """Return the median time from a start to the end of the program.

    Raises:
        OSError: It cannot be started.
        ChildProcessError: It failed.
    """
    times = []
    for _ in range(count):
        begun = perf_counter_ns()
        pid = os.posix_spawn(program, [program], {})
        _, status = os.waitpid(pid, 0)
        times.append(perf_counter_ns() - begun)
        if status:
            raise ChildProcessError(f"{program}: status {status}")
    return statistics.median(times) / 1000


if __name__ == "__main__":
    print(json.dumps([start_us(program, int(sys.argv[1])) for program in sys.argv[2:]]))
