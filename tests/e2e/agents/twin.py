"""Does sequences of file operations as it is told and says what came of each, so that two of it can be compared.

One line of JSON a sequence: a list of `[operation, argument…]`. Each is done in a directory of its own, which is gone
afterwards. The answer is a line, too: what each operation returned (or the name of its errno) and the tree at the end.

Times are shown where they were set by the program (below 1e18 ns) and as "now" where the file system set them, so that
what moves a time and what does not is compared, and clocks are not.
"""

import ctypes
import errno
import json
import mmap
import os
import shutil
import signal
import stat
import sys

libc = ctypes.CDLL(None, use_errno=True)
SET_BY_HAND = 10**18
MOST_OPEN = 8
SECONDS = 30
"""A sequence that takes longer hangs; the kernel ends the program."""


def unblocked(path, flags):
    """Open without waiting for another end, where it is a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def shown_time(value):
    return value if value < SET_BY_HAND else "now"


def shown(facts):
    """Return what of a stat must be equal."""
    is_directory = stat.S_ISDIR(facts.st_mode)
    owner = (facts.st_uid == os.getuid(), facts.st_gid == os.getgid())
    size = None if is_directory else facts.st_size
    return [oct(facts.st_mode), facts.st_nlink, *owner, size, shown_time(facts.st_mtime_ns)]


class Sequence:
    """One sequence: its open files, and the operations by name."""

    def __init__(self):
        self.open = []

    def _fd(self, slot):
        if not self.open:
            raise OSError(errno.EBADF, "nothing is open")
        return self.open[slot % len(self.open)]

    def do_open(self, path, flags, mode):
        fd = os.open(path, flags, mode)
        self.open.append(fd)
        if len(self.open) > MOST_OPEN:
            os.close(self.open.pop(0))
        return len(self.open)

    def do_close(self, slot):
        os.close(self.open.pop(self.open.index(self._fd(slot))))

    def do_read(self, slot, offset, count):
        return os.pread(self._fd(slot), count, offset).hex()

    def do_write(self, slot, offset, text):
        return os.pwrite(self._fd(slot), text.encode(), offset)

    def do_append(self, slot, text):
        os.lseek(self._fd(slot), 0, os.SEEK_END)
        return os.write(self._fd(slot), text.encode())

    def do_seek(self, slot, offset, whence):
        return os.lseek(self._fd(slot), offset, whence)

    def do_next(self, slot, count):
        return os.read(self._fd(slot), count).hex()

    def do_ftruncate(self, slot, size):
        os.ftruncate(self._fd(slot), size)

    def do_fstat(self, slot):
        return shown(os.fstat(self._fd(slot)))

    def do_fsync(self, slot):
        os.fsync(self._fd(slot))

    def do_fchmod(self, slot, mode):
        os.fchmod(self._fd(slot), mode)

    def do_copy(self, source, target, count):
        return os.copy_file_range(self._fd(source), self._fd(target), count, 0, 0)

    def do_mapped(self, slot, text):
        """Write through a shared mapping and read it back through the file."""
        fd = self._fd(slot)
        size = os.fstat(fd).st_size
        if size < len(text):
            raise OSError(errno.EINVAL, "too small")
        with mmap.mmap(fd, size) as memory:
            memory[: len(text)] = text.encode()
            memory.flush()
        return os.pread(fd, size, 0).hex()[:200]

    def do_truncate(self, path, size):
        os.truncate(path, size)

    def do_put(self, path, text):
        with open(path, "w", opener=unblocked) as file:
            return file.write(text)

    def do_get(self, path):
        with open(path, "rb", opener=unblocked) as file:
            return (file.read() or b"").hex()

    def do_unlink(self, path):
        os.unlink(path)

    def do_mkdir(self, path, mode):
        os.mkdir(path, mode)

    def do_rmdir(self, path):
        os.rmdir(path)

    def do_rename(self, source, target, flags):
        ctypes.set_errno(0)
        if libc.renameat2(-100, source.encode(), -100, target.encode(), flags) < 0:
            raise OSError(ctypes.get_errno(), "renameat2")

    def do_link(self, source, target):
        os.link(source, target, follow_symlinks=False)

    def do_symlink(self, target, path):
        os.symlink(target, path)

    def do_readlink(self, path):
        return os.readlink(path)

    def do_mkfifo(self, path):
        os.mkfifo(path, 0o640)

    def do_chmod(self, path, mode):
        os.chmod(path, mode)

    def do_utime(self, path, nanoseconds):
        os.utime(path, ns=(nanoseconds, nanoseconds), follow_symlinks=False)

    def do_stat(self, path):
        return shown(os.stat(path))

    def do_lstat(self, path):
        return shown(os.lstat(path))

    def do_list(self, path):
        return sorted(os.listdir(path))

    def do_access(self, path, mode):
        return os.access(path, mode)

    def do_umask(self, mask):
        os.umask(mask)

    def do_setxattr(self, path, name, text, flags):
        os.setxattr(path, "user." + name, text.encode(), flags, follow_symlinks=False)

    def do_getxattr(self, path, name):
        return os.getxattr(path, "user." + name, follow_symlinks=False).decode()

    def do_listxattr(self, path):
        return sorted(each for each in os.listxattr(path, follow_symlinks=False) if each.startswith("user."))

    def do_removexattr(self, path, name):
        os.removexattr(path, "user." + name, follow_symlinks=False)

    def run(self, operations):
        """Return the answer of every operation."""
        answers = []
        for name, *arguments in operations:
            try:
                answers.append(getattr(self, "do_" + name)(*arguments))
            except OSError as error:
                answers.append(errno.errorcode.get(error.errno or 0, str(error)))
        for fd in self.open:
            os.close(fd)
        os.umask(0o022)
        return answers


def tree():
    """Return all that lies below the working directory."""
    found = {}
    for directory, directories, files in os.walk("."):
        for name in (*directories, *files):
            path = os.path.join(directory, name)
            facts = os.lstat(path)
            content = None
            if stat.S_ISREG(facts.st_mode) and facts.st_mode & 0o400:
                with open(path, "rb") as file:
                    content = file.read().hex()
            elif stat.S_ISLNK(facts.st_mode):
                content = os.readlink(path)
            found[path] = [*shown(facts), content]
    return found


def opened(place):
    """Make every directory one that can be emptied."""
    os.chmod(place, 0o700)
    for directory, directories, _ in os.walk(place):
        for name in directories:
            path = os.path.join(directory, name)
            if not os.path.islink(path):
                os.chmod(path, 0o700)


def main():
    top = os.getcwd()
    print("ready", flush=True)
    for number, line in enumerate(sys.stdin):
        place = os.path.join(top, f"sequence{number}")
        os.makedirs(f"{place}/here")  # so that what is done to ".." stays in it
        os.chdir(f"{place}/here")
        signal.alarm(SECONDS)
        answers = Sequence().run(json.loads(line))
        left = tree()
        opened(place)
        signal.alarm(0)
        os.chdir(top)
        shutil.rmtree(place)
        print(json.dumps([answers, left]), flush=True)


main()
