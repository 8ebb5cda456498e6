from __future__ import annotations

from gmcp_sandbox.net.types import Target
from tests.net.link import Host


def test_an_address_that_stands_for_a_name_is_for_that_name():
    assert Host().parts().target("198.18.0.9", 443) == Target("api.example.com", 443, "198.18.0.9", False)


def test_any_other_address_is_for_itself():
    assert Host().parts().target("203.0.113.9", 80) == Target("203.0.113.9", 80, "203.0.113.9", True)
