"""Servers of clients as entries of a profile: no credential stands in one."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.mcp.clientfiles import Entry
from gmcp_sandbox.mcp.profiletext import quoted, slug_of, take_over
from gmcp_sandbox.policy.credentialtext import references_in
from gmcp_sandbox.policy.fields import Source, read_document

TOKEN = "ghp_" + "a1B2" * 9


def server(entry, name="x"):
    return tomllib.loads(take_over(entry).text)["mcp"]["servers"][name]


def test_a_plain_server():
    found = server(Entry("x", ("serve", "--root", "/srv"), env=(("LOG", "info"),), directory="/srv", tools=("a",)))
    assert found == {
        "command": "serve",
        "args": ["--root", "/srv"],
        "workspace": "/srv",
        "tools": ["a"],
        "env": {"LOG": "info"},
    }


@pytest.mark.parametrize(
    "entry",
    [
        Entry("x", ("serve", "--token", "hunter2hunter2")),
        Entry("x", ("serve", "--api-key=hunter2hunter2")),
        Entry("x", ("serve", f"x{TOKEN}hunter2hunter2")),
        Entry("x", ("serve", "postgres://me:hunter2hunter2@db/x")),
        Entry("x", ("serve",), env=(("API_KEY", "hunter2hunter2"),)),
        Entry("x", ("serve",), env=(("PLAIN", "hunter2hunter2 " + TOKEN + " ${FOO}"),)),
        Entry("x", url="https://x.example", headers=(("Authorization", "Bearer hunter2hunter2"),)),
        Entry("x", url="https://x.example", headers=(("X-Api-Key", "hunter2hunter2"),)),
        Entry("x", url="https://x.example", headers=(("Cookie", "a=hunter2hunter2"),)),
    ],
)
def test_a_credential_becomes_a_reference(entry):
    taken = take_over(entry)
    assert "hunter2" not in repr(taken)
    assert len(taken.credentials) == 1
    name, source, _where = taken.credentials[0]
    assert references_in(taken.text) == (name,)
    assert server(entry)["credentials"] == {name: source}


def test_the_scheme_of_a_header_stays():
    entry = Entry("x", url="https://x.example", headers=(("Authorization", "Bearer hunter2hunter2"),))
    assert server(entry)["headers"] == {"Authorization": "Bearer ${credential:authorization}"}


@pytest.mark.parametrize(
    ("given_text", "taken"),
    [
        ("${workspaceFolder}/a", "${workspace}/a"),
        ("${HOME}", "${home}"),
        ("${userHome}/x", "${home}/x"),
        ("${env:FOO}", "${credential:foo}"),
        ("${FOO}", "${credential:foo}"),
        ("${FOO:-plain}", "plain"),
        ("${input:api-key}", "${credential:api-key}"),
        ("$FOO costs $5", "$FOO costs $5"),
    ],
)
def test_variables(given_text, taken):
    assert server(Entry("x", ("serve", given_text)))["args"] == [taken]


def test_where_a_variable_comes_from():
    entry = Entry("my-x", ("serve", "${input:api-key}", "${FOO}"))
    assert server(entry, "my-x")["credentials"] == {"api-key": "env:MY_X_API_KEY", "foo": "env:FOO"}


def test_what_is_no_variable_of_ours_is_kept_elsewhere():
    assert server(Entry("x", ("serve",), env=(("A", "${1 strange}"),)))["credentials"] == {"a": "env:A"}


def test_names():
    assert slug_of("My Server (beta)!") == "my-server-beta"
    assert slug_of("日本") == ""
    assert take_over(Entry("日本", ("x",))).name == "server"
    assert take_over(Entry("A", ("x",)), ["a", "a-2"]).name == "a-3"


def test_remarks():
    assert any("install it first" in remark for remark in take_over(Entry("x", ("/usr/bin/npx", "y"))).remarks)
    docker = take_over(Entry("x", ("docker", "run", "y"), directory="/srv"))
    assert 'where = "host"' in docker.text and "workspace" not in docker.text


TEXTS = st.text(st.characters(), max_size=12) | st.sampled_from(
    [TOKEN, "${A}", "${credential:x}", "--token", "\x7f", '"']
)


@given(
    st.builds(
        Entry,
        TEXTS,
        st.tuples(TEXTS.filter(bool), TEXTS, TEXTS),
        env=st.lists(
            st.tuples(st.sampled_from(["A", "B_TOKEN"]), TEXTS), max_size=2, unique_by=lambda pair: pair[0]
        ).map(tuple),
        directory=st.none() | TEXTS,
    )
)
def test_any_server_gives_a_document(entry):
    taken = take_over(entry)
    assert TOKEN not in taken.text
    document = read_document(Source("x", f'name = "x"\n{taken.text}'))
    table = document.mcp.servers[taken.name]
    used = {
        name
        for text in (*table.args, *table.env.values(), table.command, table.workspace or "")
        for name in references_in(text)
    }
    assert used == table.credentials.keys()


@given(st.text(st.characters(), max_size=20))
def test_quoted_is_toml(text):
    assert tomllib.loads(f"a = {quoted(text)}")["a"] == text.encode("utf-8", "replace").decode("utf-8")
