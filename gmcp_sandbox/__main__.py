"""`python -m gmcp_sandbox` is `gmcp-sandbox`."""

from __future__ import annotations

import sys

from gmcp_sandbox.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
