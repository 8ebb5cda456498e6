"""`--publish [HOST_PORT:]PORT`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.errors import UsageError
from gmcp_sandbox.net.publications import Publication, parse_publications


def test_one_number_stands_for_both():
    assert parse_publications(["8080", "9000:80"]) == (Publication(8080, 8080), Publication(9000, 80))
    assert parse_publications([]) == ()


@pytest.mark.parametrize("text", ["", "0", "65536", "80:", ":80", "80:0", "0:80", "1.2.3.4:80", "80:80:80", "-1", "٨٠"])
def test_what_is_no_port_is_refused(text):
    with pytest.raises(UsageError, match="no port to publish"):
        parse_publications([text])


def test_a_port_of_the_host_is_taken_once():
    with pytest.raises(UsageError, match="twice"):
        parse_publications(["8080", "8080:80"])


@given(st.text(max_size=12))
def test_any_word_is_a_publication_or_a_usage_error(text):
    try:
        (found,) = parse_publications([text])
    except UsageError:
        return
    assert 0 < found.port < 65536 and 0 < found.host_port < 65536
