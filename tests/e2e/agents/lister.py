"""Changes a directory at random, and after each change compares what a listing says with what each name says.

Arguments: the directory, a seed, how many changes. Prints the number of comparisons.
"""

import os
import random
import stat
import sys

top, seed, changes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rng = random.Random(seed)
names = [f"{top}/{name}" for name in "abcdefgh"]
aside = f"{top}-aside"
os.makedirs(aside, exist_ok=True)


def change() -> None:
    one, other = rng.sample(names, 2)
    action = rng.choice((make, make, replace, replace, directory, link, symlink, remove, away, back, read))
    try:
        action(one, other)
    except OSError as error:
        if error.errno not in EXPECTED:
            raise


EXPECTED = {1, 2, 17, 20, 21, 22, 31, 39}
"""EPERM (a link to a directory), ENOENT, EEXIST, ENOTDIR, EISDIR, EINVAL, EMLINK, ENOTEMPTY."""


def make(one, other):
    with open(one, "w") as file:
        file.write("x")


def replace(one, other):
    os.replace(one, other)


def directory(one, other):
    os.mkdir(one)


def link(one, other):
    os.link(one, other, follow_symlinks=False)


def symlink(one, other):
    os.symlink("no/where", one)


def remove(one, other):
    os.rmdir(one) if os.path.isdir(one) and not os.path.islink(one) else os.unlink(one)


def away(one, other):
    os.rename(one, f"{aside}/{os.path.basename(other)}")


def back(one, other):
    os.rename(f"{aside}/{os.path.basename(one)}", other)


def read(one, other):
    with open(one) as file:
        file.read()


def compare() -> int:
    with os.scandir(top) as listing:
        found = {entry.name: entry for entry in listing}
    there = {os.path.basename(name) for name in names if os.path.lexists(name)}
    assert set(found) == there, (sorted(found), sorted(there))
    for name, entry in found.items():
        facts = os.lstat(f"{top}/{name}")
        assert entry.inode() == facts.st_ino, (name, entry.inode(), facts.st_ino)
        kinds = (entry.is_dir(follow_symlinks=False), entry.is_file(follow_symlinks=False), entry.is_symlink())
        assert kinds == (stat.S_ISDIR(facts.st_mode), stat.S_ISREG(facts.st_mode), stat.S_ISLNK(facts.st_mode)), name
    return len(found)


compared = 0
for _ in range(changes):
    change()
    compared += compare()
print(compared)
