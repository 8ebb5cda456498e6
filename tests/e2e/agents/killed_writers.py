"""Writes to one SQLite database from several processes, kills them in the middle with SIGKILL, and looks at it.

Word: the journal mode. Each writer says in a pipe what it committed; whatever was said must be there afterwards.
"""

import os
import signal
import sqlite3
import sys

WRITERS, ROUNDS, ENOUGH = 3, 2, 15


def begin(base):
    """Wait for the right to write without SQLite's long pauses: who has just written would get it again and again."""
    base.execute("PRAGMA busy_timeout = 0")
    while True:
        try:
            base.execute("BEGIN IMMEDIATE")
            break
        except sqlite3.OperationalError:
            os.sched_yield()
    base.execute("PRAGMA busy_timeout = 60000")


def write(path, number, said):
    """Commit rows for ever, two a transaction, and say each after it was committed."""
    base = sqlite3.connect(path, timeout=60, isolation_level=None)
    base.execute("PRAGMA synchronous = OFF")  # a process ends here, the host goes on
    turn = 0
    while True:
        key = f"{number}.{os.getpid()}.{turn}"
        begin(base)
        base.execute("INSERT INTO rows VALUES (?, ?)", (key + ".a", os.urandom(500)))
        base.execute("INSERT INTO rows VALUES (?, ?)", (key + ".b", os.urandom(500)))
        base.execute("DELETE FROM rows WHERE key = ?", (f"{number}.{os.getpid()}.{turn - 10}.a",))
        base.execute("COMMIT")
        os.write(said, f"{key}.b\n".encode())
        turn += 1


def killed(path):
    """Start writers, kill each when it wrote enough; return what they committed for sure."""
    committed = []
    for number in range(WRITERS):
        hear, said = os.pipe()
        if (pid := os.fork()) == 0:
            write(path, number, said)
        os.close(said)
        committed.append((pid, hear))
    keys = []
    for pid, hear in committed:
        with os.fdopen(hear) as lines:
            mine = [next(lines).strip() for _ in range(ENOUGH)]
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            keys += [*mine, *[line.strip() for line in lines if line.endswith("\n")]]
    return keys


def main(mode):
    path = f"{mode}.db"
    base = sqlite3.connect(path)
    got = base.execute(f"PRAGMA journal_mode = {mode}").fetchone()[0]
    base.execute("CREATE TABLE rows (key TEXT PRIMARY KEY, data BLOB)")
    base.commit()
    base.close()
    for _ in range(ROUNDS):
        keys = killed(path)
        base = sqlite3.connect(path, timeout=60)
        there = {key for (key,) in base.execute("SELECT key FROM rows")}
        lonely = [key for key in there if key.endswith(".a") and key[:-1] + "b" not in there]
        print(mode, got, base.execute("PRAGMA integrity_check").fetchall(), set(keys) - there, lonely)
        base.close()


main(sys.argv[1])
