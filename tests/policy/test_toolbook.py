"""What is known of tools."""

from __future__ import annotations

from gmcp_sandbox.policy.profile import Tier
from gmcp_sandbox.policy.state import SessionState
from gmcp_sandbox.policy.toolbook import KnownTool, Toolbook


def test_a_list_replaces_the_one_before():
    book = Toolbook().with_server("a", {"x": KnownTool(None)}).with_server("b", {"x": KnownTool(None, ("why",))})
    assert book.find("a", "x") == KnownTool(None)
    assert book.find("b", "x").stopped == ("why",)
    after = book.with_server("a", {})
    assert after.find("a", "x") is None and after.knows("a")
    assert book.find("a", "x") is not None
    assert not book.knows("c") and book.find("c", "x") is None


def test_what_a_session_learns_is_a_new_epoch():
    state = SessionState(Tier.STANDARD)
    before = state.snapshot()
    state.learn("a", {"x": KnownTool(None)})
    assert state.epoch == before.epoch + 1
    assert state.tools.knows("a") and not before.tools.knows("a")
