"""Turn the `[[rules]]` and `[[demotions]]` of one profile file into policy values.

Guarantees: every rule has a selector, and every selector can match something: a rule never falls silent because two of
its selectors exclude each other. A `when` compiles. Every refusal is a `ProfileError` that names file, key and line.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gmcp_sandbox.calls.arguments import ARGUMENTS
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.policy.build import Builder, family_of
from gmcp_sandbox.policy.conditions import NAMES, Condition, ConditionError
from gmcp_sandbox.policy.document import DemotionTable, RuleTable
from gmcp_sandbox.policy.fields import Key, suggest
from gmcp_sandbox.policy.match import GlobError
from gmcp_sandbox.policy.profile import Demotion, Rule, RuleCount, Tier
from gmcp_sandbox.policy.words import compile_argv

CALLS = "calls"
REPORTED = ("denials", "net.bytes_up", "net.bytes_down")
"""What is counted without a tool's name."""


def rules_of(builder: Builder, tables: Sequence[RuleTable]) -> list[Rule]:
    """Return the rules of this file."""
    found = [_rule(builder, table, ("rules", index)) for index, table in enumerate(tables)]
    builder.refuse_duplicates((rule.id for rule in found), ("rules",))
    return found


def demotions_of(tables: Sequence[DemotionTable]) -> list[Demotion]:
    """Return the demotions of this file."""
    return [Demotion(table.signal, table.count, Tier[table.tier.upper()], table.seconds) for table in tables]


def _rule(builder: Builder, table: RuleTable, key: Key) -> Rule:
    selectors = (table.tools, table.labels, table.paths, table.hosts, table.taint, table.argv, table.when)
    if all(selector is None for selector in selectors) and not table.counts:
        raise builder.fault("a rule without a selector would hold for every call", key)
    _check_kinds(builder, table, key)
    rule = Rule(
        id=table.id,
        text=table.text,
        effect=table.effect,
        tools=table.tools,
        labels=builder.labels(table.labels, (*key, "labels")),
        paths=None if table.paths is None else builder.globs(table.paths, (*key, "paths")),
        hosts=None if table.hosts is None else builder.hosts(table.hosts, (*key, "hosts")),
        taint=builder.taints(table.taint, (*key, "taint")),
        unless=_unless(builder, table, (*key, "unless")),
        argv=_argv(builder, table, (*key, "argv")),
        args=_args(builder, table, (*key, "args")),
        counts=_counts(builder, table, key),
        when=table.when,
        tier=_tier(builder, table, (*key, "tier")),
    )
    _check_condition(builder, rule, (*key, "when"))
    return rule


def _check_kinds(builder: Builder, table: RuleTable, key: Key) -> None:
    """Refuse a rule that no call could ever match."""
    wanted = [
        family
        for family, is_wanted in (
            ("path", table.paths is not None or table.argv is not None),
            ("host", table.hosts is not None),
        )
        if is_wanted
    ]
    tools = {tool for tool in table.tools or Tool if all(family_of(tool) == family for family in wanted)}
    if table.argv is not None:
        tools &= {Tool.PROC_EXEC}
    if not tools:
        raise builder.fault("no call has all that this rule selects (paths, hosts and argv go with their tools)", key)


def _unless(builder: Builder, table: RuleTable, key: Key) -> tuple[str, ...]:
    if not table.unless:
        return ()
    return builder.globs(table.unless, key) if table.hosts is None else builder.hosts(table.unless, key)


def _argv(builder: Builder, table: RuleTable, key: Key) -> tuple[str, ...] | None:
    if table.argv is None:
        return None
    try:
        compile_argv(table.argv)
    except GlobError as error:
        raise builder.fault(str(error), key) from None
    builder.refuse_duplicates(table.argv, key)
    return table.argv


def _args(builder: Builder, table: RuleTable, key: Key) -> tuple[tuple[str, str | int | bool], ...]:
    if table.args and table.tools is None:
        raise builder.fault("arguments are those of tools: name them in `tools`", key)
    for tool in table.tools or ():
        fields = {field.name: field for field in msgspec.structs.fields(ARGUMENTS[tool])}
        for name, value in table.args.items():
            if name not in fields:
                raise builder.fault(f"{tool} has no such argument", (*key, name), hint=suggest(name, fields))
            try:
                msgspec.convert(value, fields[name].type)
            except msgspec.ValidationError as error:
                raise builder.fault(f"{value!r} is nothing that {tool} has there: {error}", (*key, name)) from None
    return tuple(sorted(table.args.items()))


def _counts(builder: Builder, table: RuleTable, key: Key) -> tuple[RuleCount, ...]:
    found = []
    for index, count in enumerate(table.counts):
        place: Key = (*key, "counts", index)
        known = (CALLS, *REPORTED, *Tool)
        if count.of not in known:
            raise builder.fault(f"nothing is counted as {count.of!r}", (*place, "of"), hint=suggest(count.of, known))
        if count.distinct and count.by_object:
            raise builder.fault("different objects of one object are always one", place)
        name = f"number_{index}" if count.name is None else count.name
        found.append(RuleCount(name, count.of, count.seconds, count.at_least, count.distinct, count.by_object))
    builder.refuse_duplicates((count.name for count in found), (*key, "counts"))
    if found and table.when is None and all(count.at_least is None for count in found):
        raise builder.fault("counted, but nothing asks for it: set `at_least`, or use it in `when`", (*key, "counts"))
    return tuple(found)


def _tier(builder: Builder, table: RuleTable, key: Key) -> Tier | None:
    if (table.effect == "demote") != (table.tier is not None):
        what = "`demote` needs a `tier` to lead to" if table.tier is None else "only `demote` leads to a tier"
        raise builder.fault(what, key)
    return None if table.tier is None else Tier[table.tier.upper()]


def _check_condition(builder: Builder, rule: Rule, key: Key) -> None:
    if rule.when is None:
        return
    counts = tuple(count.name for count in rule.counts)
    try:
        Condition(rule.when, counts)
    except ConditionError as error:
        known = (*NAMES, *(f"counts.{name}" for name in counts))
        hint = "" if error.unknown is None else suggest(error.unknown, known)
        raise builder.fault(str(error), key, hint=hint) from None
