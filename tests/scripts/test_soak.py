"""A short soak works; what grows is found, what wavers is not."""

from __future__ import annotations

import pytest

from scripts.soaklib.command import main
from scripts.soaklib.series import Sample, findings


def series(**changes):
    """Return samples of which each named field follows a function of the number."""
    plain = {
        "rss_kib": 150_000,
        "descriptors": 100,
        "threads": 5,
        "nodes": 500,
        "calls": 0,
        "log_bytes": 0,
        "processes": 5,
    }
    return [
        Sample(
            seconds=number * 10.0,
            **{name: changes.get(name, lambda _, v=value: v)(number) for name, value in plain.items()},
        )
        for number in range(60)
    ]


def test_what_wavers_is_no_finding():
    assert findings(series(descriptors=lambda n: 100 + n % 7 * 30, rss_kib=lambda n: 150_000 + n % 5 * 4000)) == []


@pytest.mark.parametrize(
    ("name", "grows"),
    [
        ("rss_kib", lambda n: 150_000 + n * 1500),
        ("descriptors", lambda n: 100 + n),
        ("threads", lambda n: 5 + n),
        ("nodes", lambda n: 500 + 1000 * n),
    ],
)
def test_what_grows_is_one(name, grows):
    assert len(findings(series(**{name: grows}))) == 1


def test_too_few_samples_are_no_success():
    assert findings(series()[:5])


@pytest.mark.e2e
@pytest.mark.needs("sandbox", "program:git", "program:sqlite3")
def test_a_short_soak(capsys):
    main(["--minutes", "0.02", "--every", "0.3"])
    said = capsys.readouterr().out
    assert "1 rounds" in said
    assert "FAILED: FAILED" not in said and "ended with" not in said and "verify" not in said
