"""`[sets]`: lists of hosts or paths that have a name, used as `@name` wherever such a list stands.

Guarantees: `@name` stands for exactly what the set says, variables put in by whoever uses the list; an unknown name is
an error; a set holds no other set. What a file defines holds in it and in those that extend it, from there on; a set of
the same name replaces the inherited one, and leaves alone what was made of that before.

A path that begins with an at sign is written with a backslash before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gmcp_sandbox.policy.fields import Key, Source, suggest

MARK = "@"
Sets = Mapping[str, Sequence[str]]


def check_sets(source: Source, sets: Sets) -> None:
    """Refuse sets that hold sets, or a thing twice. Raises ProfileError."""
    for name, members in sets.items():
        for member in members:
            if member.startswith(MARK):
                raise source.fault(f"a set holds no other set: {member!r}", ("sets", name))
        if len(set(members)) < len(members):
            raise source.fault("holds something twice", ("sets", name))


def listed(source: Source, sets: Sets, patterns: Sequence[str], key: Key) -> tuple[str, ...]:
    """Return a list with its sets put in, each pattern once.

    Raises:
        ProfileError: A set is unknown.
    """
    found: dict[str, None] = {}
    for pattern in patterns:
        if not pattern.startswith(MARK):
            found[pattern] = None
            continue
        name = pattern.removeprefix(MARK)
        if name not in sets:
            hint = suggest(name, sets) if sets else "define it in [sets]"
            raise source.fault(f"there is no set {pattern!r}", key, hint=hint)
        found |= dict.fromkeys(sets[name])
    return tuple(found)
