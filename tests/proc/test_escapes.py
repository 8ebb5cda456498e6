from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.proc.escapes import escaped


@given(st.text() | st.binary().map(lambda data: data.decode("utf-8", "surrogateescape")))
def test_any_text_is_printable_and_told_apart(text):
    shown = escaped(text)
    assert shown.isprintable()
    if text.isprintable() and "\\" not in text:
        assert shown == text


def test_an_escape_is_not_mistaken_for_what_it_stands_for():
    assert escaped("a\\n") != escaped("a\n")
