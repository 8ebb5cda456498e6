from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
BEHAVIOUR = "def answer() -> int:\n    return 42\n"
DECLARATIONS = '''ANSWER = 42

class Fault(Exception):
    """What went wrong."""

    def why(self) -> str:
        """Say."""
'''


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_layout", ROOT / "scripts" / "check_layout.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


check_layout = _load()


@pytest.fixture
def repository(tmp_path: Path):
    """Return a function that writes a file of a repository that is well so far, and returns its root."""

    def write(path: str, text: str = BEHAVIOUR) -> Path:
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return tmp_path

    for module, test in check_layout.TESTED_ELSEWHERE.items():
        write(module)
        write(test, "")
        if not test.startswith("tests/e2e/"):
            write(test.replace("tests/", "gmcp_sandbox/").replace("test_", ""))
    write("gmcp_sandbox/cli/main.py")
    return write


def findings(root: Path) -> list[str]:
    return [*check_layout.missing_tests(root), *check_layout.orphaned_tests(root), *check_layout.oversized(root)]


def test_a_module_with_its_mirror_is_well(repository) -> None:
    repository("gmcp_sandbox/pipeline/rate.py")
    assert findings(repository("tests/pipeline/test_rate.py")) == []


def test_a_module_without_a_test_is_found(repository) -> None:
    root = repository("gmcp_sandbox/pipeline/rate.py")
    assert findings(root) == ["gmcp_sandbox/pipeline/rate.py: has no tests/pipeline/test_rate.py"]
    assert check_layout.main(root) == 1


def test_a_module_of_declarations_needs_none(repository) -> None:
    assert findings(repository("gmcp_sandbox/calls/tools.py", DECLARATIONS)) == []


def test_a_test_without_its_module_is_found(repository) -> None:
    root = repository("tests/pipeline/test_rates.py")
    assert findings(root) == ["tests/pipeline/test_rates.py: there is no gmcp_sandbox/pipeline/rates.py"]


@pytest.mark.parametrize("path", ["tests/e2e/test_git.py", "tests/scripts/test_anything.py"])
def test_tests_of_whole_programs_mirror_nothing(repository, path: str) -> None:
    assert findings(repository(path)) == []


def test_a_stale_exception_is_found(repository) -> None:
    root = repository("gmcp_sandbox/__main__.py")
    (root / "gmcp_sandbox/__main__.py").unlink()
    assert findings(root) == ["gmcp_sandbox/__main__.py: is listed in TESTED_ELSEWHERE but does not exist"]


def test_a_long_module_is_found(repository) -> None:
    root = repository("gmcp_sandbox/__main__.py", BEHAVIOUR + "# more\n" * 400)
    assert findings(root) == ["gmcp_sandbox/__main__.py: 402 lines, the limit is 400"]


def test_a_long_function_is_found(repository) -> None:
    body = "".join(f"    x = {number}\n" for number in range(40))
    root = repository("gmcp_sandbox/__main__.py", f"def long() -> None:\n{body}")
    assert findings(root) == ["gmcp_sandbox/__main__.py:1: long has 41 lines, the limit is 40"]


def test_docstrings_and_tables_do_not_count(repository) -> None:
    text = "    more\n" * 50
    table = "".join(f"        {number}: {number},\n" for number in range(60))
    source = f'def long() -> dict[int, int]:\n    """Say.\n\n{text}    """\n    return {{\n{table}    }}\n'
    assert findings(repository("gmcp_sandbox/__main__.py", source)) == []
