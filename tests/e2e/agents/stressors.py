"""Runs stressors of stress-ng, one after the other, and says what came of each.

Words: `name=operations` or `name=operations,option=value`. Prints one line of JSON a stressor: its name, "passed",
"skipped" or "failed", and what stress-ng said.
"""

import json
import subprocess
import sys

NO_RESOURCE, NOT_IMPLEMENTED = 3, 4
SECONDS = "30"
"""Where a stressor hangs, not how long it runs."""


def outcome(done, said):
    """Return what came of one run; stress-ng ends with 0, too, when it finds that it cannot try anything."""
    if done.returncode not in (0, NO_RESOURCE, NOT_IMPLEMENTED) or "fail:" in said:
        return "failed"
    skips = done.returncode or any(word in said for word in ("skipping", "finished prematurely", "not supported"))
    return "skipped" if skips else "passed"


def run(word):
    """Run one stressor."""
    bound, *options = word.split(",")
    name, operations = bound.split("=")
    bounds = ["--" + option.replace("=", " ") for option in (f"{name}=1", f"{name}-ops={operations}", *options)]
    done = subprocess.run(
        ["stress-ng", *" ".join(bounds).split(), "--verify", "--timeout", SECONDS, "--temp-path", "."],
        capture_output=True,
        text=True,
        errors="replace",
    )
    said = done.stdout + done.stderr
    print(json.dumps([name, outcome(done, said), said[-2000:]]), flush=True)


for each in sys.argv[1:]:
    run(each)
