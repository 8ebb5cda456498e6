from gmcp_sandbox.policy.profile import Environment
from gmcp_sandbox.proc.environment import allowed_environment


def test_only_listed_variables_pass():
    rules = Environment(allow=("PATH", "LC_*"), set={"GMCP_SANDBOX": "1"})
    environ = {"PATH": "/bin", "LC_ALL": "C", "AWS_SECRET_ACCESS_KEY": "x", "lc_all": "no"}
    assert allowed_environment(rules, environ) == {b"PATH": b"/bin", b"LC_ALL": b"C", b"GMCP_SANDBOX": b"1"}


def test_what_is_set_wins_over_what_is_passed():
    rules = Environment(allow=("HOME",), set={"HOME": "/home/agent"})
    assert allowed_environment(rules, {"HOME": "/root"}) == {b"HOME": b"/home/agent"}


def test_bytes_that_are_not_utf8_pass_unchanged():
    rules = Environment(allow=("WORD",))
    assert allowed_environment(rules, {"WORD": "\udcff"}) == {b"WORD": b"\xff"}
