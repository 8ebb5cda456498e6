"""Values of one file: variables, paths, sizes and globs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.errors import ProfileError
from gmcp_sandbox.policy.build import Builder, glob_quoted
from gmcp_sandbox.policy.fields import Source
from gmcp_sandbox.policy.match import compile_globs

BUILDER = Builder(Source("f", ""), {"workspace": "/w", "home": "/home/u"})


@given(
    st.lists(
        st.text(min_size=1).filter(lambda name: name not in (".", "..") and not set(name) & set("/\0")), min_size=1
    )
)
def test_a_quoted_path_is_a_glob_of_itself(names: list[str]) -> None:
    path = "/" + "/".join(names)
    assert compile_globs([glob_quoted(path)])(path)


@pytest.mark.parametrize(("text", "size"), [(0, 0), (7, 7), ("7", 7), ("2KiB", 2048), ("1 GiB", 1 << 30)])
def test_sizes(text: int | str, size: int) -> None:
    assert BUILDER.size(text, ("limits",)) == size


@pytest.mark.parametrize("text", [-1, "", "1GB", "1.5GiB", "GiB", "-1KiB"])
def test_what_is_no_size(text: int | str) -> None:
    with pytest.raises(ProfileError):
        BUILDER.size(text, ("limits",))


def test_paths() -> None:
    assert BUILDER.path("${workspace}/a/", ()) == "/w/a"
    for wrong in ("a", "", "/a//b", "/a/./b", "${workspace}/..", "/a\0", "${none}/a"):
        with pytest.raises(ProfileError):
            BUILDER.path(wrong, ())


def test_objects_mean_what_their_tools_mean() -> None:
    assert BUILDER.objects((Tool.NET_CONNECT,), ["*.example.com"], ()) == ("*.example.com",)
    assert BUILDER.objects((Tool.FS_READ,), ["${workspace}/**"], ()) == ("/w/**",)
    with pytest.raises(ProfileError):
        BUILDER.objects((Tool.NET_CONNECT,), ["/w/**"], ())
