"""`[mcp]` from TOML: what makes sense, and where it does not."""

from __future__ import annotations

import msgspec
import pytest

from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.errors import ProfileError
from gmcp_sandbox.policy.fields import Source
from gmcp_sandbox.policy.mcp import McpServer, ToolLimit
from gmcp_sandbox.policy.mcpbuild import flow_rules, server_rates
from gmcp_sandbox.policy.parse import parse_profile
from gmcp_sandbox.policy.profile import RateLimit

BASE = """
name = "base"
tier = "standard"

[[mounts]]
path = "/w"
mode = "rw"
label = "workspace"

[[capabilities]]
tools = ["fs.read"]
labels = ["workspace"]

[environment]
allow = ["PATH"]
"""
FILES = """
[mcp.servers.files]
command = "serve"
args = ["--root", "${workspace}"]
tools = ["read_*"]
"""
REMOTE = """
[mcp.servers.remote]
url = "https://mcp.example.com/mcp"
tools = ["*"]

[mcp.servers.remote.headers]
Authorization = "Bearer ${credential:token}"

[mcp.servers.remote.credentials]
token = "env:REMOTE_TOKEN"
"""


def parsed(*texts, workspace="/w"):
    chain = [Source("base.toml", BASE)]
    chain += [Source(f"{at}.toml", f'name = "p{at}"\nextends = "x"\n{text}') for at, text in enumerate(texts)]
    return parse_profile(chain, {"workspace": workspace, "home": "/h", "user": "u"})


def fault(text, old="", new=""):
    assert old in text
    with pytest.raises(ProfileError) as caught:
        parsed(text.replace(old, new))
    return str(caught.value), caught.value.hint


def test_a_profile_without_the_section_reaches_no_server():
    profile = parsed()
    assert profile.mcp is None and profile.net is None


def test_a_server_is_expanded_and_brings_the_gateways_name():
    profile = parsed(FILES + REMOTE)
    assert profile.net.mcp and not profile.net.allow
    files, remote = profile.mcp.servers
    assert files.command == ("serve", "--root", "/w")
    assert remote.headers == (("Authorization", "Bearer ${credential:token}"),)
    assert remote.credentials == (("token", "env:REMOTE_TOKEN"),)


def test_who_a_server_is_does_not_depend_on_the_workspace():
    one, other = (parsed(FILES, workspace=path).mcp.servers[0] for path in ("/w", "/elsewhere"))
    assert one.identity == other.identity and one.command != other.command
    changed = parsed(FILES.replace("--root", "--all")).mcp.servers[0]
    assert changed.identity != one.identity
    graded = parsed(FILES + "call_seconds = 3.0\n").mcp.servers[0]
    assert graded.identity == one.identity


def test_a_server_replaces_the_inherited_one_of_its_name():
    profile = parsed(FILES + REMOTE, '[mcp.servers.files]\ncommand = "other"\ntools = ["x"]\n')
    assert [(each.name, each.command[:1]) for each in profile.mcp.servers] == [("files", ("other",)), ("remote", ())]
    alone = parsed(FILES + REMOTE, 'replaces = ["mcp.servers"]\n[mcp.servers.a]\ncommand = "a"\ntools = ["x"]\n')
    assert [each.name for each in alone.mcp.servers] == ["a"]


def test_single_values_of_the_section():
    profile = parsed('[mcp]\npin = "approve"\n' + FILES, '[mcp]\nredact = "instructions"\ncross_flow = "ask"\n')
    assert (profile.mcp.pin, profile.mcp.redact, profile.mcp.cross_flow) == ("approve", "instructions", "ask")


def test_limits_become_rates():
    text = FILES + "per_second = 5\nburst = 9\n[[mcp.servers.files.limits]]\ntools = ['read_big']\nper_second = 1\n"
    profile = parsed(text)
    assert profile.mcp.servers[0].limits == (ToolLimit(("read_big",), per_second=1.0),)
    assert profile.rates[-2:] == (
        RateLimit((Tool.MCP_CALL,), 5.0, 9, server="files"),
        RateLimit((Tool.MCP_CALL,), 1.0, 1, server="files", names=("read_big",)),
    )
    assert server_rates(None) == []


def test_one_rule_for_each_server_that_does_not_get_everything():
    profile = parsed(FILES + 'flows_to = ["remote"]\n' + REMOTE)
    assert [(rule.id, rule.taint, rule.args) for rule in flow_rules(profile.mcp)] == [
        ("mcp-flow-to-files", ("mcp:remote",), (("server", "files"),))
    ]
    assert flow_rules(profile.mcp)[0] in profile.rules
    assert flow_rules(None) == []
    assert flow_rules(parsed(FILES).mcp) == []


def test_a_rule_of_ones_own_takes_the_place_of_a_flow_rule():
    own = '[[rules]]\nid = "mcp-flow-to-files"\ntext = "Ask."\neffect = "ask"\ntools = ["mcp.call"]\n'
    profile = parsed(FILES + REMOTE + own)
    assert [rule.effect for rule in profile.rules if rule.id == "mcp-flow-to-files"] == ["ask"]


def test_a_rule_may_go_by_what_a_server_sent():
    own = '[[rules]]\nid = "x"\ntext = "x"\neffect = "deny"\ntools = ["mcp.call"]\ntaint = ["mcp:files"]\n'
    assert parsed(FILES + own).rules[0].taint == ("mcp:files",)


@pytest.mark.parametrize(
    ("text", "old", "new", "what"),
    [
        (FILES, 'command = "serve"\n', "", "`command` (or `url`) is missing"),
        (FILES, 'command = "serve"', 'command = "serve"\nurl = "https://x.example"', "not both"),
        (FILES, 'tools = ["read_*"]\n', "", "nothing is granted"),
        (FILES, 'tools = ["read_*"]', "tools = []", "must not be empty"),
        (FILES, 'tools = ["read_*"]', 'tools = ["a", "a"]', "stands twice"),
        (FILES, 'tools = ["read_*"]', 'tools = ["a"]\nburst = 3', "`burst` needs `per_second`"),
        (FILES, 'tools = ["read_*"]', 'tools = ["a"]\nheaders = { X = "y" }', "`headers` is nothing that"),
        (FILES, 'tools = ["read_*"]', 'tools = ["a"]\nwhere = "host"\nworkspace = "/x"', "on the host"),
        (FILES, 'tools = ["read_*"]', 'tools = ["a"]\nenv = { A-B = "y" }', "not a possible variable"),
        (FILES, 'tools = ["read_*"]', 'tools = ["a"]\nenv = { API_TOKEN = "y" }', "does not belong into a profile"),
        (FILES, '"--root", "${workspace}"', '"--token", "abc"', "does not belong into a profile"),
        (FILES, '"--root", "${workspace}"', '"${nowhere}"', "unknown variable"),
        (FILES, '"--root", "${workspace}"', '"${credential:BAD}"', "unknown variable"),
        (FILES, '"--root", "${workspace}"', '"${credential:x}"', "`credentials.x` is missing"),
        (FILES, 'tools = ["read_*"]', 'tools = ["a"]\nflows_to = ["nobody"]', "is no other server"),
        (FILES, 'tools = ["read_*"]', 'tools = ["a"]\nflows_to = ["files"]', "is no other server"),
        (FILES, 'tools = ["read_*"]', 'tools = ["a"]\n[[mcp.servers.files.limits]]\ntools = ["a"]', "limits nothing"),
        (FILES, "mcp.servers.files", 'mcp.servers."a b"', "matching regex"),
        (REMOTE, "https://", "ftp://", "no URL that can be used"),
        (REMOTE, "https://", "http://", "travel in the clear"),
        (REMOTE, "https://mcp.", "https://me@mcp.", "host part of a URL"),
        (REMOTE, "Bearer ${credential:token}", "Bearer abcdefghijklmnop", "does not belong into a profile"),
        (REMOTE, "Authorization", "Host", "sets this header itself"),
        (REMOTE, "Authorization", "Mcp-Session-Id", "sets this header itself"),
        (REMOTE, "Bearer ${credential:token}", "none", "is used nowhere"),
        (REMOTE, "env:REMOTE_TOKEN", "the value itself", "matching regex"),
        (REMOTE, 'tools = ["*"]', 'tools = ["*"]\nargs = ["x"]', "with a `url`"),
        ("[mcp]\npin = 'approve'\n", "", "", "`mcp.servers` is missing"),
        ("[[capabilities]]\ntools=['mcp.call']\nlabels=['tool']\n", "", "", "granted by [mcp] alone"),
    ],
)
def test_what_makes_no_sense(text, old, new, what):
    message, _hint = fault(text, old, new)
    assert what in message
    assert message.startswith("0.toml:")


def test_errors_name_the_server_and_suggest():
    message, hint = fault(FILES, "tools", "tols")
    assert message.startswith("0.toml:7: mcp.servers.files.tols") and "'tools'" in hint
    message, hint = fault(FILES + '[[mcp.servers.files.limits]]\ntools = ["a"]\ntier = "trustd"\n')
    assert "mcp.servers.files.limits[0].tier" in message and "'trusted'" in hint


def test_a_workspace_cannot_bring_a_reference_along():
    with pytest.raises(ProfileError, match="no name of a credential"):
        parsed(FILES, workspace="/w/${credential:token}")


def test_what_a_server_is_not_granted_is_off():
    server = parsed(FILES).mcp.servers[0]
    plain = McpServer("files", tools=("read_*",), command=server.command, identity=server.identity)
    assert msgspec.to_builtins(server) == msgspec.to_builtins(plain)
