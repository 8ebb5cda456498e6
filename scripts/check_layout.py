"""Check the mirror rule and the size limits of the style guide.

- `gmcp_sandbox/x/y.py` has `tests/x/test_y.py`, and every such test has its module. A module that only real mounts and
  programs can test is listed in `TESTED_ELSEWHERE` with the test that does it.
- A module that only declares (constants, enumerations, structs, protocols) needs none.
- A module has at most 400 lines, a function at most 40 (its docstring and long tables not counted).

Prints one line a finding; ends with 1 when there is any.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

PACKAGE = "gmcp_sandbox"
MODULE_LINES = 400
FUNCTION_LINES = 40

TESTED_ELSEWHERE: dict[str, str] = {
    "gmcp_sandbox/__main__.py": "tests/cli/test_main.py",
    "gmcp_sandbox/cli/networking.py": "tests/e2e/test_network.py",
    "gmcp_sandbox/cli/mcpserve.py": "tests/e2e/test_mcp.py",
    "gmcp_sandbox/cli/mcpwiring.py": "tests/e2e/test_mcp.py",
    "gmcp_sandbox/cli/mcpworker.py": "tests/proc/test_seclusion.py",
    "gmcp_sandbox/cli/standalone.py": "tests/e2e/test_mcp.py",
    "gmcp_sandbox/mcp/asking.py": "tests/mcp/test_service.py",
    "gmcp_sandbox/mcp/http.py": "tests/mcp/test_endpoint.py",
    "gmcp_sandbox/mcp/posts.py": "tests/mcp/test_endpoint.py",
    "gmcp_sandbox/mcp/processes.py": "tests/mcp/test_service.py",
    "gmcp_sandbox/mcp/reverse.py": "tests/mcp/test_conversation.py",
    "gmcp_sandbox/mcp/sessions.py": "tests/mcp/test_service.py",
    "gmcp_sandbox/mcp/shim.py": "tests/cli/test_mcpview.py",
    "gmcp_sandbox/mcp/underway.py": "tests/mcp/test_conversation.py",
    "gmcp_sandbox/mcp/worker.py": "tests/mcp/test_service.py",
    "gmcp_sandbox/net/connector.py": "tests/net/test_service.py",
    "gmcp_sandbox/net/datagrams.py": "tests/net/test_service.py",
    "gmcp_sandbox/net/echoes.py": "tests/net/test_service.py",
    "gmcp_sandbox/net/openflows.py": "tests/net/test_service.py",
}
"""Module → the test file that exercises it, where the mirror would be empty."""

TEST_FOLDERS_WITHOUT_MODULES = frozenset({"e2e", "scripts", "docs", "data", "profiles"})
"""Folders of tests/ that mirror no package: whole programs, repository scripts, documents, data, shipped profiles."""


def main(root: Path) -> int:
    """Print the findings about the repository at `root` and return the exit status."""
    findings = [*missing_tests(root), *orphaned_tests(root), *oversized(root)]
    for finding in findings:
        print(finding)
    return 1 if findings else 0


def modules(root: Path) -> Iterator[Path]:
    """Yield the package's modules, relative to the repository; empty `__init__.py` and data are none."""
    for path in sorted((root / PACKAGE).rglob("*.py")):
        relative = path.relative_to(root)
        if path.name != "__init__.py" and "_data" not in relative.parts:
            yield relative


def missing_tests(root: Path) -> Iterator[str]:
    """Yield modules that have no test file, and exceptions that are stale."""
    present = set()
    for module in modules(root):
        present.add(str(module))
        if only_declares(ast.parse((root / module).read_text(encoding="utf-8"))):
            continue
        expected = TESTED_ELSEWHERE.get(str(module)) or str(mirror(module))
        if not (root / expected).is_file():
            yield f"{module}: has no {expected}"
    for module_name in TESTED_ELSEWHERE.keys() - present:
        yield f"{module_name}: is listed in TESTED_ELSEWHERE but does not exist"


def only_declares(tree: ast.Module) -> bool:
    """True when no function of the module does anything."""
    return all(_is_stub(node) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _is_stub(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return all(isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant) for each in node.body)


def orphaned_tests(root: Path) -> Iterator[str]:
    """Yield test files that mirror no module."""
    tests = root / "tests"
    for path in sorted(tests.rglob("test_*.py")):
        relative = path.relative_to(tests)
        if relative.parts[0] in TEST_FOLDERS_WITHOUT_MODULES:
            continue
        module = root / PACKAGE / relative.with_name(relative.name.removeprefix("test_"))
        if not module.is_file() and not _tests_package(module):
            yield f"tests/{relative}: there is no {module.relative_to(root)}"


def _tests_package(module: Path) -> bool:
    """True when the file would be the test of a package as a whole (`tests/test_policy.py`)."""
    return module.with_suffix("").is_dir()


def mirror(module: Path) -> Path:
    """Return where the tests of a module stand."""
    return Path("tests", *module.parts[1:-1], f"test_{module.name}")


def oversized(root: Path) -> Iterator[str]:
    """Yield modules and functions beyond the limits."""
    for module in modules(root):
        text = (root / module).read_text(encoding="utf-8")
        lines = text.count("\n")
        if lines > MODULE_LINES:
            yield f"{module}: {lines} lines, the limit is {MODULE_LINES}"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = _length(node)
                if length > FUNCTION_LINES:
                    yield f"{module}:{node.lineno}: {node.name} has {length} lines, the limit is {FUNCTION_LINES}"


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    end = node.end_lineno or node.lineno
    length = end - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node) is not None:
        length -= _lines(first)
    tables = (each for each in ast.walk(node) if isinstance(each, ast.Dict | ast.Tuple | ast.List | ast.Set))
    return length - sum(max(0, _lines(table) - 1) for table in _outermost(tables))


def _lines(node: ast.expr | ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _outermost(nodes: Iterable[ast.expr]) -> Iterator[ast.expr]:
    """Yield those of the nodes (in the order of `ast.walk`, parents first) that lie in none before."""
    last_lines = range(0)
    for node in sorted(nodes, key=lambda each: (each.lineno, -(each.end_lineno or 0))):
        if node.lineno not in last_lines or node.end_lineno not in last_lines:
            last_lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
            yield node


if __name__ == "__main__":
    sys.exit(main(Path(__file__).resolve().parent.parent))
