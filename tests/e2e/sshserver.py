"""Two ssh servers of the tests' internet: started by path in its upstream namespace. End with standard input.

    sshserver.py FOLDER ADDRESS…

Each has a host key of its own (FOLDER/ssh/ADDRESS.pub), takes the one key of FOLDER/ssh/authorized, and serves the
repositories of FOLDER/www/git to `git-upload-pack`. Whose login was taken stands in FOLDER/seen.jsonl.
"""

from __future__ import annotations

import asyncio
import shlex
import sys
from pathlib import Path

import asyncssh

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.e2e.servers import Seen


class Server(asyncssh.SSHServer):
    """One connection."""

    def __init__(self, address: str, key: str, seen: Seen) -> None:
        self._address = address
        self._key = asyncssh.import_public_key(key)
        self._seen = seen

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Take the one key; called before the signature is looked at, and after."""
        return key == self._key

    def public_key_auth_supported(self) -> bool:
        """It is the one way in."""
        return True

    def auth_completed(self) -> None:
        """The signature was right."""
        self._seen.tell(where="ssh", at=self._address)


async def serve_git(process: asyncssh.SSHServerProcess[bytes], folder: Path) -> None:
    """Run git-upload-pack, and nothing else."""
    words = shlex.split(process.command or "")
    if words[:1] != ["git-upload-pack"] or len(words) != 2:
        process.exit(127)
        return
    git = await asyncio.create_subprocess_exec(
        *("git", "-c", "safe.directory=*", "upload-pack", str(folder / "www" / "git" / words[1].lstrip("/"))),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    await process.redirect(stdin=git.stdin, stdout=git.stdout)
    status = await git.wait()
    await process.stdout.drain()
    process.exit(status)


async def main(folder: Path, addresses: list[str]) -> None:
    """Serve until standard input ends."""
    seen = Seen(folder / "seen.jsonl")
    authorized = (folder / "ssh" / "authorized").read_text()
    for address in addresses:
        key = asyncssh.generate_private_key("ssh-ed25519")
        (folder / "ssh" / f"{address}.pub").write_bytes(key.export_public_key())
        await asyncssh.create_server(
            lambda address=address: Server(address, authorized, seen),
            address,
            22,
            server_host_keys=[key],
            process_factory=lambda process: serve_git(process, folder),
            encoding=None,
        )
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2:]))
