"""The semantic gate in real sessions, with a small model of our own in a copy of the product.

The model says of each word how dangerous it is (`tests/probe/models.py`): `rm` is, `ls` is not. What it is asked about
here are first reads of private files: a program without its command line is no question.
"""

from __future__ import annotations

import json
import shutil

import pytest

from tests.e2e.harness import ROOT
from tests.probe.models import make_model


@pytest.fixture
def probed(sandbox):
    """A sandbox whose product has the small model."""
    sandbox.product = sandbox.base / "product"
    for name in ("gmcp_sandbox", "profiles"):
        shutil.copytree(ROOT / name, sandbox.product / name, ignore=shutil.ignore_patterns("__pycache__", "_data"))
    shutil.copy(ROOT / "pyproject.toml", sandbox.product)
    make_model(sandbox.product / "model")
    notes = sandbox.home / "notes"
    notes.mkdir()
    for name in ("ls", "rm"):
        (notes / name).write_text(f"about {name}\n")
    sandbox.profile(
        'name = "noted"\nextends = "default"\n[[mounts]]\npath = "${home}/notes"\nmode = "ro"\nlabel = "private"\n'
        "[probe]\nrequired = true\n",
        "noted.toml",
    )
    return sandbox


def read(probed, *names, **options):
    """Let a program read private files."""
    script = "; ".join(f"cat {probed.home}/notes/{name}" for name in names)
    return probed.exec("/bin/sh", "-c", script + options.pop("then", ""), profile=probed.base / "noted.toml", **options)


def first_read(result):
    return next(each for each in records(result) if each.get("tool") == "fs.read" and each["label"] == "private")


def records(result):
    return [json.loads(line) for line in (result.log / "audit.jsonl").read_text().splitlines()]


def end_of(result):
    return next(event for event in result.status if event["event"] == "end")


def test_a_model_makes_a_sixth_layer_everywhere(probed):
    result = read(probed, "ls")
    assert result.text == "about ls\n" and "no probe model" not in result.err, result.err
    genesis, *others = records(result)
    assert genesis["layers"] == ["schema", "trust", "rate", "prefilter", "probe", "constitution"]
    assert len(genesis["model"]) == 64 and genesis["probe"] == "model"
    assert genesis["host"]["probe"] == f"model {genesis['model'][:16]}"
    (probe,) = [each for each in first_read(result)["verdicts"] if each[0] == "probe"]
    assert probe[1:3] == ["allow", "probe.ok"] and probe[3].startswith("model, ") and probe[4] == -4.0
    seal = next(each for each in others if each["kind"] == "seal")
    assert end_of(result)["probe"]["misses"] == seal["outcome"]["probe"]["misses"] >= 1


def test_what_the_model_finds_dangerous_does_not_happen(probed):
    # The words of a command line are judged as well: the name of the file is in none.
    result = read(probed, "ls", then=f"; n=r; cat < {probed.home}/notes/${{n}}m")
    assert result.text == "about ls\n"
    denial = next(each for each in records(result) if each.get("outcome") == "deny" and each["tool"] == "fs.read")
    assert (denial["layer"], denial["reason"], denial["score"]) == ("probe", "probe.destruction", 4.0)
    assert denial["object"] == f"{probed.home}/notes/rm"


def test_the_next_session_remembers(probed):
    assert end_of(read(probed, "ls"))["probe"]["misses"] >= 1
    result = read(probed, "ls")
    assert end_of(result)["probe"] == {"judged": end_of(result)["probe"]["judged"], "misses": 0, "passes": 0, "ms": 0.0}
    assert ["probe", "allow", "probe.ok", "remembered", -4.0] in first_read(result)["verdicts"]


def test_an_altered_model_ends_the_session_with_a_message(probed):
    with (probed.product / "model" / "probe.onnx").open("ab") as file:
        file.write(b"\0")
    result = read(probed, "ls", then="; echo ran; sleep 60", is_whole=False)
    assert result.code == 125 and "about" not in result.text
    assert "probe.onnx was altered" in result.err and "try:" in result.err and "Traceback" not in result.err


@pytest.mark.parametrize("missing", ["probe.onnx", "vocab.txt"])
def test_an_incomplete_model_starts_nothing(probed, missing):
    (probed.product / "model" / missing).unlink()
    result = probed.exec("touch", "made")
    assert result.code == 125 and missing in result.err and "is missing" in result.err
    assert not (probed.workspace / "made").exists()


def test_without_a_model_a_profile_that_demands_one_starts_nothing(probed):
    shutil.rmtree(probed.product / "model")
    demanding = probed.profile('name = "x"\nextends = "default"\n[probe]\nrequired = true\n')
    result = probed.exec("touch", "made", profile=demanding)
    assert result.code == 125 and "demands the semantic gate" in result.err
    assert not (probed.workspace / "made").exists()
    assert (
        "no probe model"
        in probed.exec(
            "ls", profile=probed.profile('name = "y"\nextends = "default"\n[probe]\nrequired = false\n', "other.toml")
        ).err
    )


def test_damaged_memory_is_discarded_with_a_message(probed):
    read(probed, "ls")
    (kept,) = (probed.state / "gmcp-sandbox" / "probe").iterdir()
    kept.write_bytes(kept.read_bytes()[:-5])
    result = read(probed, "ls")
    assert result.code == 0 and "warning: remembered answers of the probe are discarded" in result.err


def test_the_agent_sees_neither_model_nor_memory(probed):
    probed.exec("ls")
    script = f"ls {probed.product}/model {probed.state}/gmcp-sandbox/probe; true"
    result = probed.exec("/bin/sh", "-c", script)
    assert result.text == ""


def test_unpacking_thousands_of_files_costs_a_handful_of_questions(probed):
    script = "i=0; while [ $i -lt 1500 ]; do echo $i > /tmp/f$i; i=$((i+1)); done; i=0; mkdir d; "
    script += "while [ $i -lt 1000 ]; do echo $i > d/f$i; i=$((i+1)); done"
    effort = end_of(probed.exec("/bin/sh", "-c", script))["probe"]
    assert effort["judged"] >= 1500 and effort["misses"] < 12


def test_other_commands_know_the_model(probed):
    assert "ok        probe_model" in probed.command("doctor").text
    denied = probed.command("decide", "proc.exec", "path=/usr/bin/rm", "argv=rm", "argv=x")
    assert denied.code == 1 and "probe.destruction" in denied.text
    assert probed.command("probe", "info").text.startswith("base")


REPOSITORY = (
    "set -e; git init -q r; cd r; git config user.email a@example.com; git config user.name a; "
    "echo a > a; git add a; git commit -q -m a; mkdir e; "
)
RUNS = "printf '#!/bin/sh\\nrm -rf /tmp/precious\\n' > e/%s; chmod +x e/%s; "
SET = "printf '[%s]\\n\\t%s = rm -rf /tmp/precious\\n' > settings; export GIT_CONFIG_GLOBAL=$PWD/settings; "
TRICKS = {
    "filter": SET % ('filter "x"', "smudge") + "echo '* filter=x' > .gitattributes; : > a; git reset -q --hard HEAD",
    "fsmonitor": SET % ("core", "fsmonitor") + "git reset -q --hard HEAD",
    "alias": SET.replace("= rm", "= !rm") % ("alias", "other") + "git other",
    "hook": RUNS.replace("%s", "post-checkout")
    + SET.replace("rm -rf /tmp/precious", "e") % ("core", "hooksPath")
    + "git checkout -q -b other",
    "exec path": RUNS.replace("%s", "git-other") + "GIT_EXEC_PATH=$PWD/e git other",
    "compiler path": RUNS.replace("%s", "collect2") + "touch a.o; COMPILER_PATH=$PWD/e gcc a.o -o app",
}
"""What has a start that is not asked about, or `git other`, run something of the agent's."""


@pytest.mark.parametrize("trick", TRICKS)
def test_what_a_plain_start_is_made_to_run_is_asked_about_itself(probed, trick):
    if trick == "compiler path" and shutil.which("gcc") is None:
        pytest.skip("no gcc")
    script = f"mkdir /tmp/precious; {REPOSITORY}{TRICKS[trick]} || true"
    result = probed.exec("/bin/sh", "-c", f"({script}); ls -d /tmp/precious")
    assert "/tmp/precious" in result.text, result.err
    removals = [each for each in records(result) if (each.get("args") or {}).get("argv") and _removes(each)]
    assert removals and {each["outcome"] for each in removals} == {"deny"}
    assert {each["layer"] for each in removals} == {"probe"}


def _removes(record):
    """Return whether this is the start that removes: by itself, or as the command of a shell."""
    argv = record["args"]["argv"]
    return argv[0] == "rm" or (argv[0].endswith("sh") and argv[1:2] == ["-c"] and argv[2].startswith("rm -rf"))


def test_a_plain_start_is_not_asked_about(probed):
    result = probed.exec("/bin/sh", "-c", "mkdir d; : > d/x; rm -f d/x; : > d/y; rm -f ./../$(basename $PWD)/d/y; ls d")
    assert result.text == "y\n"
    plain, other = [each for each in records(result) if (each.get("args") or {}).get("argv", [""])[0] == "rm"]
    assert ["probe", "allow", "probe.not_wanted"] in plain["verdicts"] and plain["outcome"] == "allow"
    assert (other["outcome"], other["layer"]) == ("deny", "probe")
