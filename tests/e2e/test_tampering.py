"""What somebody does to the log of a real session afterwards, and what `audit verify` says of it."""

from __future__ import annotations

import json
import shutil

import pytest

from gmcp_sandbox.audit.chain import START, TAIL, linker

DENIAL = b'"object":"/etc/shadow"'
"""In the record that somebody would like to be rid of."""


@pytest.fixture(scope="module")
def made(shared_sandbox):
    """Two sessions of one user, and the words by which the first is verified."""
    box = shared_sandbox
    sessions = []
    rules = box.profile('name = "x"\nextends = "default"\n')
    for name in ("one", "two"):
        box.write(name, "x")
        sessions.append(box.exec("bash", "-c", f"cat {name} {name}; cat /etc/shadow; ls; true", profile=rules))
    return box, sessions


@pytest.fixture
def tampered(made):
    """Return a function that changes the first session's lines and returns what `audit verify` says; puts it back."""
    box, (first, _) = made
    log = first.log / "audit.jsonl"
    kept = first.log / "kept"
    shutil.copy2(log, kept)

    def change(function):
        lines = log.read_bytes().splitlines(keepends=True)
        log.write_bytes(b"".join(function(lines)))
        result = box.command("audit", "verify", first.session)
        return result.code, result.text

    yield change
    shutil.copy2(kept, log)
    kept.unlink()


def at(lines, word):
    """Return the index of the first line that has a word."""
    return next(index for index, line in enumerate(lines) if word in line)


def flipped(lines):
    index = at(lines, DENIAL)
    changed = lines[index].replace(b"/etc/shadow", b"/etc/shadov")
    return [*lines[:index], changed, *lines[index + 1 :]]


def removed(lines):
    index = at(lines, DENIAL)
    return lines[:index] + lines[index + 1 :]


def reordered(lines):
    index = at(lines, DENIAL)
    return [*lines[: index - 1], lines[index], lines[index - 1], *lines[index + 1 :]]


def duplicated(lines):
    index = at(lines, DENIAL)
    return [*lines[: index + 1], *lines[index:]]


def chained_anew(lines):
    """As whoever knows the format, and has no key, would write it: nobody read that file, and the chain is whole."""
    link, previous = linker(), START
    out = []
    for line in lines:
        previous, forged = link(previous, line[:-TAIL].replace(b"/etc/shadow", b"/etc/hosts"))
        out.append(forged)
    return out


def test_the_log_is_whole_before_anything_is_done_to_it(tampered):
    code, said = tampered(lambda lines: lines)
    assert code == 0
    assert said.startswith("WHOLE  session ")
    assert "signed: all records" in said


@pytest.mark.trick("a change inside is found and its place is named", stops="chain")
@pytest.mark.parametrize("change", [flipped, removed, reordered, duplicated], ids=lambda change: change.__name__)
def test_a_change_inside_is_found_and_its_place_is_named(tampered, change):
    where = []

    def noted(lines):
        where.append(at(lines, DENIAL) + 1)
        return change(lines)

    code, said = tampered(noted)
    assert code == 1
    assert said.startswith("BROKEN")
    line = where[0] + {"reordered": -1, "duplicated": 1}.get(change.__name__, 0)
    assert f"audit.jsonl, line {line}" in said


@pytest.mark.trick("an end that was cut off is found", stops="seal, ledger")
def test_an_end_that_was_cut_off_is_found(tampered):
    code, said = tampered(lambda lines: lines[: at(lines, DENIAL)])
    assert code == 1
    assert "the end was cut off" in said or "it was cut off" in said


def test_a_cut_inside_of_a_line_is_found(tampered):
    code, said = tampered(lambda lines: [*lines[:-1], lines[-1][:-20]])
    assert code == 1, said


@pytest.mark.trick("another sessions log in its place is found", stops="the chain begins with the session")
def test_another_sessions_log_in_its_place_is_found(made, tampered):
    other = made[1][1].log / "audit.jsonl"
    code, said = tampered(lambda _: [other.read_bytes()])
    assert code == 1
    assert said.startswith("BROKEN") and made[1][1].session in said


@pytest.mark.trick("an older state of the same log is found", stops="ledger")
def test_an_older_state_of_the_same_log_is_found(tampered):
    """Cut back to a signature of its own: chain and signature are good, the ledger knows better."""

    def older(lines):
        signed = [index for index, line in enumerate(lines) if json.loads(line)["kind"] == "checkpoint"]
        return lines[: signed[0] + 1] if len(signed) > 1 else lines[: at(lines, b'"kind":"seal"')]

    code, said = tampered(older)
    assert code == 1
    assert "cut off" in said


@pytest.mark.trick("a log that was chained anew without the key is found", stops="signatures")
def test_a_log_that_was_chained_anew_without_the_key_is_found(tampered):
    code, said = tampered(chained_anew)
    assert code == 1
    assert said.startswith("BROKEN") and "signature" in said


def test_it_is_found_too_when_the_description_went_with_it(made, tampered):
    _, (first, _) = made
    meta = first.log / "meta.json"
    kept = meta.read_bytes()
    meta.unlink()
    try:
        code, said = tampered(lambda lines: lines[: at(lines, b'"kind":"seal"')])
    finally:
        meta.write_bytes(kept)
    assert (code, "the ledger says" in said) == (1, True)
