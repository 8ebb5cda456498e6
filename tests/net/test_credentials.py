"""Tokens go to one host, in one place, and come from nowhere back."""

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.errors import ProfileError
from gmcp_sandbox.net.credentials import Misplaced, Vault
from gmcp_sandbox.net.head import Field
from gmcp_sandbox.net.masking import Masker
from gmcp_sandbox.policy.network import Credential


def read(path):
    return Path(path).read_bytes()


TOKEN = "tok_0123456789abcdefXYZ"  # of no service
FORGE = Credential("forge", "git.example", "FORGE_TOKEN", "env:HOST_TOKEN", ("authorization", "private-token"), "tok_")


def vault():
    return Vault.load([FORGE], {"HOST_TOKEN": f"{TOKEN}\n"}, lambda path: b"")


def field(name, value):
    return Field(name.encode(), name.lower(), value.encode())


def inject(stash, name, value, *, host="git.example", scheme="https", target="/"):
    return stash.inject(host, scheme, target, (field(name, value),))


def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_the_agent_gets_a_placeholder_of_the_same_form():
    holder = vault().environment()["FORGE_TOKEN"]
    assert holder.startswith("tok_")
    assert len(holder) == len(TOKEN)
    assert holder != TOKEN
    assert holder != vault().environment()["FORGE_TOKEN"]


@pytest.mark.parametrize("form", ["{}", "Bearer {}", "token {}"])
def test_a_placeholder_in_its_place_becomes_the_token(form):
    stash = vault()
    holder = stash.environment()["FORGE_TOKEN"]
    fields, echoes = inject(stash, "Authorization", form.format(holder))
    assert fields[0].value.decode() == form.format(TOKEN)
    assert echoes == {TOKEN.encode(): holder.encode()}


@pytest.mark.parametrize("form", ["x-access-token:{}", "{}:", "{}:x-oauth-basic"])
def test_basic_authentication_is_opened_and_closed_again(form):
    stash = vault()
    holder = stash.environment()["FORGE_TOKEN"]
    fields, echoes = inject(stash, "authorization", basic(form.format(holder)))
    assert fields[0].value.decode() == basic(form.format(TOKEN))
    echoed = Masker(echoes).whole(b"you sent " + fields[0].value)
    assert echoed.decode() == "you sent " + basic(form.format(holder))


def test_an_answer_that_cannot_be_read_is_not_asked_for():
    stash = vault()
    holder = stash.environment()["FORGE_TOKEN"]
    sent = (field("Accept-Encoding", "gzip"), field("Private-Token", holder))
    fields, _ = stash.inject("git.example", "https", "/", sent)
    assert [(each.key, each.value) for each in fields] == [
        ("private-token", TOKEN.encode()),
        ("accept-encoding", b"identity"),
    ]


@pytest.mark.parametrize(
    ("name", "form", "where"),
    [
        ("Authorization", "Bearer {}", {"host": "other.example"}),
        ("Authorization", "Bearer {}", {"host": "sub.git.example"}),
        ("Authorization", "Bearer {}", {"scheme": "http"}),
        ("X-Debug", "{}", {}),
        ("Cookie", "token={}", {}),
        ("Authorization", "Bearer {}x", {}),
        ("Authorization", "Bearer x{}", {}),
        ("Authorization", "Digest username={}", {}),
        ("Authorization", "Bearer {0} {0}", {}),
    ],
)
def test_a_placeholder_anywhere_else_is_refused(name, form, where):
    stash = vault()
    with pytest.raises(Misplaced) as caught:
        inject(stash, name, form.format(stash.environment()["FORGE_TOKEN"]), **where)
    assert caught.value.name == "forge"


def test_a_placeholder_hidden_in_basic_authentication_of_another_host_is_refused():
    stash = vault()
    with pytest.raises(Misplaced):
        inject(stash, "Authorization", basic("me:" + stash.environment()["FORGE_TOKEN"]), host="other.example")
    with pytest.raises(Misplaced):
        inject(stash, "Authorization", basic("me:x" + stash.environment()["FORGE_TOKEN"]))


@pytest.mark.parametrize("form", ["/?token={}", "/{}/x", "/?q=%74ok_{}"])
def test_a_placeholder_in_the_target_is_refused(form):
    stash = vault()
    holder = stash.environment()["FORGE_TOKEN"]
    rest = holder.removeprefix("tok_") if "%74" in form else holder
    with pytest.raises(Misplaced):
        inject(stash, "Accept", "*/*", target=form.format(rest))


def test_other_requests_pass_as_they_are():
    fields, echoes = inject(vault(), "Authorization", "Bearer own", host="other.example", scheme="http")
    assert (fields[0].value, echoes) == (b"Bearer own", {})


@pytest.mark.parametrize(
    "token", ["", "tiny!", "tok_tooshort", "has a blank in it", "tok_0123456789\r\nX: y", "ü" * 20]
)
def test_a_token_that_cannot_be_used_is_refused_and_not_shown(token):
    with pytest.raises(ProfileError) as caught:
        Vault.load([FORGE], {"HOST_TOKEN": token}, lambda path: b"")
    assert not token or token not in caught.value.render()


def test_a_source_that_is_missing_is_named():
    with pytest.raises(ProfileError) as caught:
        Vault.load([FORGE], {}, lambda path: b"")
    assert "HOST_TOKEN" in caught.value.render()


def test_a_token_is_read_from_a_file(tmp_path):
    (tmp_path / "token").write_text(TOKEN)
    source = f"file:{tmp_path}/token"
    stash = Vault.load([Credential("a", "a.example", "A", source)], {}, read)
    assert inject(stash, "authorization", stash.environment()["A"], host="a.example").fields[0].value == TOKEN.encode()
    with pytest.raises(ProfileError, match="credential"):
        Vault.load([Credential("a", "a.example", "A", "file:/nowhere/at/all")], {}, read)


def test_nothing_shows_the_token():
    stash = vault()
    assert TOKEN not in repr(stash) + repr(vars(stash)) + str(stash._entries)


@given(st.text(alphabet=st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=60))
def test_any_value_is_passed_on_or_refused(value):
    stash = Vault([(FORGE, TOKEN.encode())])
    try:
        fields, echoes = inject(stash, "Authorization", value)
    except Misplaced:
        return
    assert echoes or fields[0].value == value.encode()
