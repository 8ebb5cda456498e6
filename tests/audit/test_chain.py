from __future__ import annotations

from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.audit.chain import START, TAIL, claimed_hash, follow, linker

BODIES = st.binary(max_size=60).map(lambda data: b'{"kind":"call","x":"%b"' % data.hex().encode())


def test_the_hash_covers_the_previous_hash_and_the_body():
    digest, line = linker()(START, b'{"a":1')
    assert digest == blake3(bytes(32) + b'{"a":1').digest()
    assert line == b'{"a":1,"hash":"' + digest.hex().encode() + b'"}\n'
    assert len(line) == len(b'{"a":1') + TAIL


@given(st.lists(BODIES, min_size=1, max_size=5))
def test_lines_follow_each_other_in_their_order_only(bodies):
    link, previous = linker(), START
    for body in bodies:
        digest, line = link(previous, body)
        assert follow(previous, line) == digest == claimed_hash(line)
        assert follow(digest, line) is None
        previous = digest


@given(st.binary(max_size=200))
def test_hostile_lines_follow_nothing(line):
    assert follow(START, line) is None
    claimed = claimed_hash(line)
    assert claimed is None or len(claimed) == 32
