"""A short soak works; what grows is found, what wavers is not."""

from __future__ import annotations

import pytest

from scripts.soaklib.command import main
from scripts.soaklib.series import Helper, Sample, findings, summary, trend_kib


def series(**changes):
    """Return samples of which each named field follows a function of the number."""
    plain = {
        "rss_kib": 150_000,
        "descriptors": 100,
        "threads": 5,
        "nodes": 500,
        "calls": 0,
        "log_bytes": 0,
        "flows": 3,
        "watches": 200,
        "mounts": 20,
        "helpers": {7: Helper("pump", 9000, 12)},
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
        ("flows", lambda n: 3 + n // 2),
        ("watches", lambda n: 200 + n),
        ("mounts", lambda n: 20 + n // 10),
        ("log_bytes", lambda n: n * n),
        ("helpers", lambda n: {7: Helper("pump", 9000 + 500 * n, 12)}),
        ("helpers", lambda n: {7: Helper("pump", 9000, 12 + n)}),
    ],
)
def test_what_grows_is_one(name, grows):
    assert len(findings(series(**{name: grows}))) == 1


def test_what_grows_while_caches_fill_or_ends_is_no_finding():
    assert findings(series(rss_kib=lambda n: 100_000 + min(n, 14) * 5000)) == []
    assert findings(series(helpers=lambda n: {n: Helper("true", 9000 + 500 * n, 12)})) == []


def test_the_trend_is_not_moved_by_wild_samples():
    samples = series(rss_kib=lambda n: 150_000 + 10 * n + (90_000 if n % 4 == 0 else 0))
    assert trend_kib(samples, lambda sample: sample.rss_kib) == pytest.approx(590, abs=60)


def test_the_summary_has_a_row_for_each_part():
    rows = summary(series(calls=lambda n: n * 100, log_bytes=lambda n: n * 5000))
    assert len(rows) == 2 + 6
    assert "| 0–2 | 146 / 146 / 146 | 100–100 | 5–5 | 500–500 | 3–3 | 200–200 | 900 | 50 |" in rows


def test_too_few_samples_are_no_success():
    assert findings(series()[:5])


@pytest.mark.e2e
@pytest.mark.needs("sandbox", "program:git", "program:sqlite3")
def test_a_short_soak(capsys):
    main(["--minutes", "0.08", "--every", "0.3"])
    said = capsys.readouterr().out
    assert "1 rounds" in said and "MiB log" in said
    assert "FAILED: FAILED" not in said and "ended with" not in said and "verify" not in said
