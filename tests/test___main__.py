from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_modules_that_an_agent_left_in_the_working_directory_are_not_imported(tmp_path: Path) -> None:
    for name in ("msgspec", "trio", "argparse", "pyfuse3"):
        (tmp_path / f"{name}.py").write_text("print('planted'); raise SystemExit(99)\n")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "gmcp_sandbox", "profile", "list"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "planted" in done.stdout) == (0, False), done.stderr


def test_installed_environments_in_the_working_directory_stay(tmp_path: Path) -> None:
    code = (
        "import sys, gmcp_sandbox.__main__ as program; program.forget_working_directory(); print(*sys.path, sep='\\n')"
    )
    searched = {"PYTHONPATH": f"{ROOT}:{tmp_path}/src:{tmp_path}:relative"}
    (tmp_path / "src").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, **searched}, capture_output=True, text=True
    )
    left = done.stdout.splitlines()
    assert str(ROOT) in left
    assert not any(not entry.startswith("/") or entry.startswith(str(tmp_path)) for entry in left)
    assert any("site-packages" in entry or "dist-packages" in entry for entry in left)
