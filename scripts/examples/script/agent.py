"""A plain script as an agent: no model, no network. It collects a project's TODOs and shows what a denial looks like.

    cd scripts/examples/script
    gmcp-sandbox profile trust          once, and after each change of gmcp.toml
    gmcp-sandbox exec agent.py

Inside, a denied call is an ordinary error of the system: PermissionError here, `Permission denied` in a shell. Nothing
has to be imported, and the program needs no change to run under governance.
"""

from __future__ import annotations

from pathlib import Path

PROJECT = Path(__file__).parent
REPORT = PROJECT / "TODO.md"
SOURCES = (".py", ".js", ".go", ".rs", ".c", ".md")


def todos() -> list[str]:
    """Return every line of the project that asks for work, with its place."""
    found = []
    for path in sorted(PROJECT.rglob("*")):
        if path.suffix in SOURCES and path != REPORT and path != Path(__file__):
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
                if "TODO" in line:
                    found.append(f"- {path.relative_to(PROJECT)}:{number} {line.partition('TODO')[2].strip(' :')}")
    return found


def try_to_read(path: str) -> str:
    """Return how the system answers."""
    try:
        return f"{len(Path(path).expanduser().read_text())} characters"
    except OSError as error:
        return f"{error.strerror}"


def main() -> None:
    """Do the work, then what an agent should not do."""
    lines = todos()
    REPORT.write_text("\n".join(["# Left to do", "", *lines, ""]))
    print(f"wrote {REPORT.name}: {len(lines)} left to do")
    for path in ("/etc/shadow", "~/.ssh/id_rsa", "gmcp.toml"):
        print(f"read {path}: {try_to_read(path)}")
    try:
        (PROJECT / "gmcp.toml").write_text("")
    except OSError as error:
        print(f"change my own profile: {error.strerror}")


if __name__ == "__main__":
    main()
