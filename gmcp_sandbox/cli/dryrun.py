"""`exec --dry-run`: what would be shown, granted and set up, in the words of the plan that would run."""

from __future__ import annotations

import os

from gmcp_sandbox.cli.planning import plan_of
from gmcp_sandbox.cli.prepared import Preparation
from gmcp_sandbox.cli.supervisor import enforced
from gmcp_sandbox.cli.terminal import columns, visible
from gmcp_sandbox.monitor.semantics import installed_manifest, model_directory
from gmcp_sandbox.proc.stdio import Stdio


def show(prepared: Preparation) -> int:
    """Print the preparation; return 0."""
    profile, view = prepared.profile, prepared.view
    print(f"agent      {visible(prepared.agent)}")
    print(f"command    {' '.join(visible(os.fsdecode(word)) for word in prepared.program.argv)}")
    print(f"profile    {profile.name} (tier {profile.tier.name.lower()}, digest {profile.digest[:16]})")
    print(f"because    {visible(prepared.choice.because)}")
    print(f"workspace  {visible(prepared.workspace)}")
    print(f"variables  {' '.join(visible(os.fsdecode(name)) for name in sorted(prepared.program.environment))}")
    print("\nview")
    for line in columns(
        (
            "  " + visible(mount.path),
            mount.mode.value,
            mount.label.name,
            "exec" if mount.executable else "noexec",
            "" if mount.source in (None, mount.path) else f"from {visible(str(mount.source))}",
        )
        for mount in view.mounts
    ):
        print(line)
    for path, target in view.symlinks:
        print(f"  {visible(path)} -> {visible(target)}")
    for note in view.notes:
        print(f"  note: {visible(note)}")
    print("\ngrants")
    for grant in profile.capabilities:
        objects = f" in {' '.join(grant.objects)}" if grant.objects else ""
        print(visible(f"  {' '.join(tool.value for tool in grant.tools)} on {' '.join(grant.labels)}{objects}"))
    print("\nset-up")
    plan = plan_of(prepared, Stdio((None, None, None), (None, None, None)))
    for number, line in enumerate(plan.describe(), 1):
        print(f"  {number:2} {visible(line)}")
    print("\nenforced")
    for name, what in enforced(prepared, installed_manifest(model_directory(), profile)).items():
        print(f"  {name}: {what}")
    return 0
