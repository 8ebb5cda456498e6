import ctypes.util
import subprocess
import sys

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


def test_the_search_stays_out_where_nobody_has_it() -> None:
    program = """
import ctypes, sys
from gmcp_sandbox import libraries
with libraries.found_by_name():
    import ctypes.util
    assert ctypes.util.find_library is libraries.find
assert "ctypes.util" not in sys.modules
import ctypes.util
import subprocess
import sys
assert ctypes.util.find_library is not libraries.find
"""
    run_alone(program)


def test_a_module_that_is_put_off_is_read_at_its_first_use() -> None:
    program = """
import sys
from gmcp_sandbox import libraries
with libraries.lean_imports():
    import ssl as early, hmac, importlib.metadata as versions
    try:
        versions.version("pyfuse3")
    except versions.PackageNotFoundError:
        pass
assert not {"ssl", "_ssl", "hmac", "importlib.metadata"} & set(sys.modules)
assert issubclass(early.SSLWantReadError, OSError)
import ssl, importlib.metadata
assert early.SSLWantReadError is ssl.SSLWantReadError
assert importlib.metadata.version("pyfuse3")
"""
    run_alone(program)


def test_what_was_read_before_stays() -> None:
    program = """
import hmac, ssl, sys, importlib.metadata
from gmcp_sandbox import libraries
before = dict(sys.modules)
with libraries.lean_imports():
    assert sys.modules["ssl"] is ssl
assert sys.modules == before
"""
    run_alone(program)


def run_alone(program: str) -> None:
    subprocess.run([sys.executable, "-c", program], check=True)
