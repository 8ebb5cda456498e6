"""The smaller sections of a profile; what they share with the others is tested with `parse`."""

from __future__ import annotations

import pytest

from gmcp_sandbox.errors import ProfileError
from gmcp_sandbox.monitor.shipped import shipped_profile
from gmcp_sandbox.policy.fields import Source
from gmcp_sandbox.policy.findings import findings_of
from gmcp_sandbox.policy.parse import parse_profile
from gmcp_sandbox.policy.profile import Profile

VARIABLES = {"workspace": "/ws", "home": "/home/u", "user": "u"}
SHIPPED = [Source(name, shipped_profile(name)) for name in ("constitution", "default")]


def parsed(*texts: str) -> Profile:
    sources = [Source(f"{at}.toml", f'name = "p"\nextends = "default"\n{text}') for at, text in enumerate(texts)]
    return parse_profile([*SHIPPED, *sources], VARIABLES)


def test_every_read_is_a_call_for_the_labels_that_say_so() -> None:
    assert parsed("").every_read == ()
    mine = '[mediation]\nprivate = "every-read"\nsecret = "every-read"\n'
    assert parsed(mine).every_read == ("private", "secret")
    assert parsed(mine, '[mediation]\nsecret = "open"\n').every_read == ("private",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[mediation]\nprivat = "every-read"\n', "mediation.privat: unknown label"),
        ('[mediation]\nnetwork = "every-read"\n', "no label of files"),
        ('[mediation]\noutside = "every-read"\n', "no label of files"),
        ('[mediation]\nprivate = "each-read"\n', "mediation"),
    ],
)
def test_wrong_mediation(text: str, message: str) -> None:
    with pytest.raises(ProfileError, match=message):
        parsed(text)


def test_where_databases_would_fail_is_said() -> None:
    texts = [finding.text for finding in findings_of(parsed('[mediation]\nworkspace = "every-read"\n'), "/home/u")]
    assert texts == ["SQLite's WAL fails in /ws: every read of workspace is a call"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[home]\nfiles = ["../x"]\n', "no path below the home"),
        ('[environment]\nallow = ["*"]\n', "would pass on too much"),
        ('[limits]\nfile_bytes = "1 parsec"\n', "is no size"),
        ("[probe]\nask_at = 3.0\ndeny_at = 2.0\n", "must not be above"),
        ('[audit]\nredact = ["("]\n', "audit.redact"),
        ('[[approvals.grants]]\nreasons = ["x"]\ntools = ["proc.exec", "fs.read"]\nobjects = ["x"]\n', "stands alone"),
        ('[[capabilities]]\ntools = ["fs.read"]\nlabels = ["outside"]\n', "nothing can be granted outside"),
    ],
)
def test_what_is_wrong_names_its_key(text: str, message: str) -> None:
    with pytest.raises(ProfileError, match=message):
        parsed(text)
