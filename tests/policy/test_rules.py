"""Rules of a file: what they mean, and which of them could never hold."""

from __future__ import annotations

import pytest

from gmcp_sandbox.errors import ProfileError
from gmcp_sandbox.policy.build import Builder
from gmcp_sandbox.policy.fields import Source, read_document
from gmcp_sandbox.policy.profile import Demotion, RuleCount, Tier
from gmcp_sandbox.policy.rules import demotions_of, rules_of

HEAD = 'name = "mine"\n'


def rules(text):
    source = Source("mine.toml", HEAD + '[[rules]]\nid = "r"\ntext = "t"\n' + text)
    return rules_of(Builder(source, {"workspace": "/w"}), read_document(source).rules)


def test_everything_that_a_rule_can_say():
    (rule,) = rules("""
effect = "demote"
tier = "limited"
tools = ["fs.delete"]
labels = ["workspace"]
paths = ["${workspace}/**"]
unless = ["*.tmp"]
taint = ["secret"]
counts = [{ seconds = 60, at_least = 5 }, { name = "sent", of = "net.bytes_up", seconds = 9, by_object = true }]
when = "counts.sent > 3"
""")
    assert rule.tier is Tier.LIMITED
    assert (rule.paths, rule.unless, rule.when) == (("/w/**",), ("*.tmp",), "counts.sent > 3")
    assert rule.counts == (
        RuleCount("number_0", "calls", 60, 5),
        RuleCount("sent", "net.bytes_up", 9, None, by_object=True),
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('effect = "deny"', "without a selector"),
        ('effect = "deny"\nwhen = "call.tol == 1"', "mine.toml:6: rules[0].when: column 5: undeclared reference"),
        ('effect = "deny"\nwhen = "session.tiant == []"', "did you mean 'session.taint'"),
        ('effect = "deny"\nwhen = "1"', "not true or false"),
        ('effect = "demote"\ntools = ["fs.read"]', "needs a `tier`"),
        ('effect = "deny"\ntier = "limited"\ntools = ["fs.read"]', "only `demote`"),
        ('effect = "deny"\npaths = ["/x"]\nhosts = ["x.example.com"]', "no call has all"),
        ('effect = "deny"\npaths = ["/x"]\ntools = ["net.connect"]', "no call has all"),
        ('effect = "deny"\nargv = ["git"]\ntools = ["fs.read"]', "no call has all"),
        ('effect = "deny"\nargv = ["git ["]', "`[` is not closed"),
        ('effect = "deny"\nargv = []', "must not be empty"),
        ('effect = "deny"\ntools = ["fs.read"]\ncounts = [{ seconds = 9 }]', "nothing asks for it"),
        ('effect = "deny"\ncounts = [{ seconds = 9, at_least = 1, of = "call" }]', "did you mean 'calls'"),
        ('effect = "deny"\ncounts = [{ seconds = 0, at_least = 1 }]', ">= 1"),
        ('effect = "deny"\ncounts = [{ seconds = 9, at_least = 1, distinct = true, by_object = true }]', "always one"),
        ('effect = "deny"\ncounts = [{ seconds = 9, at_lest = 1 }]', "did you mean 'at_least'"),
        ('effect = "deny"\ntools = ["fs.delete"]\nargs = { is_nev = true }', "did you mean 'is_new'"),
        ('effect = "deny"\ntools = ["fs.delete"]\nargs = { is_new = "yes" }', "nothing that fs.delete has there"),
        ('effect = "deny"\ntools = ["fs.delete", "fs.read"]\nargs = { kind = "file" }', "fs.read has no such argument"),
        ('effect = "deny"\nargs = { is_new = true }', "without a selector"),
        ('effect = "deny"\nlabels = ["system"]\nargs = { is_new = true }', "name them in `tools`"),
        ('effect = "forbid"\ntools = ["fs.read"]', "rules[0].effect"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text, complaint):
    with pytest.raises(ProfileError) as refusal:
        rules(text)
    assert complaint in f"{refusal.value} {refusal.value.hint}"


def test_demotions():
    text = HEAD + '[[demotions]]\nsignal = "injection"\ncount = 3\ntier = "untrusted"\n'
    assert demotions_of(read_document(Source("m", text)).demotions) == [Demotion("injection", 3, Tier.UNTRUSTED, 60)]
