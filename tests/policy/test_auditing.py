from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.policy.auditing import PatternError, compile_redaction


def test_what_matches_is_replaced():
    redact = compile_redaction(["ACME-[0-9]{4}", "customer-[a-z]+"])
    assert redact is not None
    assert redact("/ws/ACME-1234/customer-bob.txt") == "/ws/[redacted]/[redacted].txt"
    assert compile_redaction([]) is None


@pytest.mark.parametrize("pattern", ["(", "a*", "", "(?=x)y"])
def test_what_is_no_pattern_or_matches_nothing_is_refused(pattern):
    with pytest.raises(PatternError):
        compile_redaction([pattern])


@given(st.binary(max_size=200).map(lambda data: data.decode("utf-8", "surrogateescape")))
def test_any_name_comes_out_without_a_match(text):
    redact = compile_redaction(["[xyz]+"])
    assert redact is not None
    cleaned = redact(text)
    assert not set("xyz") & set(cleaned)
    assert cleaned.replace("[redacted]", "") == "".join(c for c in text if c not in "xyz")
