"""Paths as places."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.probe.places import fold_path, fold_places, fold_programs, place_class


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("cat /home/ann/.ssh/id_rsa", "cat ~/.ssh/id_rsa"),
        ("cat /Users/ann/.ssh/id_rsa", "cat ~/.ssh/id_rsa"),
        ("cat $HOME/.ssh/id_rsa ${HOME}", "cat ~/.ssh/id_rsa ~"),
        ("ls /root /rooted /x/root", "ls ~ /rooted /x/root"),
        ("rm -rf /etc/../home/bob", "rm -rf ~"),
        ("rm -rf //etc///passwd", "rm -rf /etc/passwd"),
        ("curl https://a.test//x", "curl https://a.test/x"),
        ("ls /workspace/src /repo", "ls ./src ."),
        ("ls /repository", "ls /repository"),
        ("cd $PWD && ls", "cd . && ls"),
        ("cat /tmp/tmpab12cd/x /tmp/other", "cat /tmp/*/x /tmp/other"),
    ],
)
def test_homes_and_checkouts_are_places(text, folded):
    assert fold_places(text) == folded


def test_the_workspace_and_home_of_the_session_are_known():
    assert fold_places("rm -rf /srv/job/build /srv/jobs", "/srv/job", "/var/ann") == "rm -rf ./build /srv/jobs"
    assert fold_places("cat /var/ann/.netrc", "/srv/job", "/var/ann") == "cat ~/.netrc"
    assert fold_places("ls /x", "/", "/") == "ls /x"


def test_a_path_of_the_workspace_has_no_prefix():
    assert fold_path("/srv/job/src/a.py", "/srv/job") == fold_path("src/a.py") == fold_path("./src/a.py") == "src/a.py"
    assert fold_path("/srv/job", "/srv/job") == "."
    assert fold_path("/home/a/x/../.bashrc") == "~/.bashrc"


def test_programs_of_the_system_go_by_name_in_commands_only():
    assert fold_programs("/usr/bin/rm /bin/ls /tmp/bin/ls /usr/local/sbin/x") == "rm ls /tmp/bin/ls x"
    assert fold_path("/usr/bin/rm") == "/usr/bin/rm"


def test_many_files_are_one_class():
    places = {place_class(f"/w/node_modules/p{i}/lib/{i}.js", "/w") for i in range(100)}
    assert places == {"./node_modules/*"}
    assert place_class("/w/a", "/w") == "./*" and place_class("/tmp/a/b/c") == "/tmp/*"
    assert place_class("/home/u/.cache/x/y", "/w", "/home/u") == "~/.cache/*"
    assert place_class("name") == "*"


@given(
    st.text(alphabet=st.sampled_from(list("/.~$ab HOMEhome:'")), max_size=80), st.text(max_size=8), st.text(max_size=8)
)
def test_any_text_folds(text, workspace, home):
    for fold in (fold_places, fold_path, place_class):
        assert fold(text, workspace, home) == fold(text, workspace, home)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("~/x/../../node_modules", "~/../node_modules"),
        ("~/x/..", "~"),
        ("./x/../../node_modules", "../node_modules"),
        ("./build/../src", "src"),
        ("/srv/../etc/passwd", "/etc/passwd"),
    ],
)
def test_steps_upward_do_not_lead_out_unseen(path, place):
    assert fold_places(f"rm {path}").split(" ", 1)[1] in (place, f"./{place}")
