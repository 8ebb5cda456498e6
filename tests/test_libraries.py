import ctypes.util

from gmcp_sandbox import libraries


def test_names_are_those_that_the_loader_knows():
    for name in ("c", "pthread"):
        assert libraries.find(name) == ctypes.util.find_library(name)


def test_an_unknown_library_is_not_found():
    assert libraries.find("no-such-library") is None


def test_the_search_is_put_back_even_after_a_fault():
    before = ctypes.util.find_library
    try:
        with libraries.found_by_name():
            assert ctypes.util.find_library is libraries.find
            raise RuntimeError
    except RuntimeError:
        pass
    assert ctypes.util.find_library is before


def test_a_file_that_cannot_be_loaded_says_why(tmp_path) -> None:
    (tmp_path / "no.so").write_bytes(b"no library")
    assert "no.so" in libraries.refusal_of(str(tmp_path / "no.so"))
    assert "missing.so" in libraries.refusal_of("missing.so")
    assert libraries.refusal_of("libc.so.6") == ""
