"""The training data of the probe: committed rows and generators."""

import json
import random

import pytest

from scripts.probe import check_data, generate_exec, generate_files, templates
from scripts.probe.templates import DATA, TemplateError, expand, read, split_context


@pytest.fixture(scope="module")
def made():
    return list(check_data.generated())


@pytest.fixture(scope="module")
def rows(made):
    return [*check_data.committed(DATA), *made]


def test_nothing_is_wrong_with_the_data(rows):
    assert check_data.findings(rows) == []


def test_there_is_enough_of_it_and_enough_in_pairs(rows):
    assert len(rows) >= 15_000
    assert sum(1 for row in rows if row["pair"]) >= 3_000


def test_dangerous_and_safe_rows_are_balanced(rows):
    assert 0.35 <= sum(row["label"] for row in rows) / len(rows) <= 0.5


def test_the_same_seed_gives_the_same_rows(made):
    assert json.dumps(list(check_data.generated())) == json.dumps(made)


def test_another_seed_gives_other_rows():
    assert generate_files.rows(1) != generate_files.rows(2)


def test_no_row_has_a_bare_slot(made):
    assert not [row for row in made if templates._SLOT.search(json.dumps(row["args"]))]


@pytest.mark.parametrize(
    ("field", "value", "finding"),
    [
        ("label", True, "label is no int"),
        ("category", None, "a dangerous row of category None"),
        ("tool", "fs.shout", "unknown tool fs.shout"),
        ("source", "elsewhere", "unknown source elsewhere"),
        ("note", "x", "unknown fields ['note']"),
        ("context", {"mood": "good"}, "context has an unknown mood, or one of another kind"),
    ],
)
def test_a_malformed_row_is_named(field, value, finding):
    assert f"a-1: {finding}" in check_data.findings([_row("a-1", 1, field=(field, value))])


def test_a_safe_row_has_no_category():
    row = _row("a-1", 0, field=("category", "sabotage"))
    assert check_data.findings([row]) == ["a-1: a safe row with a category"]


def test_ids_are_unique():
    assert check_data.findings([_row("a-1", 1), _row("a-1", 1)]) == ["a-1: 2 rows have this id"]


def test_a_pair_needs_both_labels():
    rows = [_row("a-1", 1, field=("pair", "p")), _row("a-2", 1, "rm -rf /etc", field=("pair", "p"))]
    assert check_data.findings(rows) == ["p: a pair whose rows all have label {1}"]


def test_two_labels_for_what_is_read_alike_are_found():
    found = check_data.findings([_row("a-1", 1, "rm  -rf  '/srv'"), _row("a-2", 0, "rm -rf /srv")])
    assert len(found) == 1
    assert found[0].startswith("a-2: is read like a-1, which is judged otherwise")


def test_twins_share_their_values_and_numbered_slots_do_not(tmp_path):
    values = " ¦ ".join(f"v{number}" for number in range(50))
    text = f"$dir = {values}\n@some.family sabotage *20\n! stop %dir%\n. show %dir% %dir2%\n"
    (tmp_path / "exec_templates.txt").write_text(text, encoding="utf-8")
    rows = expand("exec", generate_exec.call_of, 0, folder=tmp_path)
    twins = [(_words(bad), _words(good)) for bad, good in zip(rows[::2], rows[1::2], strict=True)]
    assert all(bad[1] == good[1] for bad, good in twins)
    assert any(good[1] != good[2] for _, good in twins)


@pytest.mark.parametrize(
    "text",
    [
        "! too early",
        "@family *x",
        "@f.g *1\n! no category",
        "@f.g nonsense *1\n! x",
        "@f.g *1\n. %missing%",
        "@f.g *1\nwhat",
    ],
)
def test_a_template_that_cannot_be_read_is_refused(tmp_path, text):
    path = tmp_path / "t.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TemplateError):
        read(path)


def test_context_follows_the_line():
    assert split_context("d /a ¦ task=x=y ¦ taint=secret,private ¦ burst=1") == (
        "d /a",
        {"task": "x=y", "taint": ["secret", "private"], "burst": True},
    )


@pytest.mark.parametrize(
    ("line", "call"),
    [
        ("n /a > /b replaces", ("fs.rename", {"path": "/a", "target": "/b", "replaces": True})),
        ("n /a > /b", ("fs.rename", {"path": "/a", "target": "/b"})),
        ("m 4755 /a", ("fs.setattr", {"path": "/a", "op": "chmod", "mode": 0o4755})),
        ("o 0:7 /a", ("fs.setattr", {"path": "/a", "op": "chown", "uid": 0, "gid": 7})),
        ("c dir 755 /a b", ("fs.create", {"path": "/a b", "kind": "dir", "mode": 0o755})),
        ("l /a -> /etc/shadow", ("fs.create", {"path": "/a", "kind": "symlink", "target": "/etc/shadow"})),
        ("r /a", ("fs.read", {"path": "/a", "op": "open"})),
    ],
)
def test_a_line_becomes_its_call(line, call):
    assert generate_files.call_of(line, _Never()) == call


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("/home/anna/.ssh/id_rsa", "secret"),
        ("/home/anna/.ssh/id_rsa.pub", ""),
        ("/workspace/tests/keys/id_rsa", "workspace"),
        ("/workspace/.env.production", "secret"),
        ("/workspace/.git/hooks/pre-push", "watched"),
        ("/workspace/src/a.py", "workspace"),
        ("/tmp/x.pem", "scratch"),
        ("/etc/hosts", "system"),
        ("/Users/anna/a.txt", "private"),
    ],
)
def test_a_path_has_the_label_that_a_profile_would_give(path, label):
    assert generate_files.label_of(path) == label


class _Never(random.Random):
    """A chance that takes no choice."""

    def random(self):
        return 1.0


def _row(name, label, text="rm -rf /srv", *, field=None):
    row = {"id": name, "tool": "proc.exec", "args": {"command": text}, "context": {}, "label": label}
    row |= {"category": "destruction" if label else None, "family": "a.b", "pair": None, "source": "curated"}
    return row | dict([field]) if field else row


def _words(row):
    args = row["args"]
    return args["argv"] if "argv" in args else args["command"].split()
