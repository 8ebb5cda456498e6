"""The collector of reference cycles, put off while a session starts.

A start makes some hundred thousand objects that stay until the end. Looking through them again and again costs a tenth
of it; and in a forked process each look copies the pages that they lie on.
"""

from __future__ import annotations

import gc


def put_off() -> None:
    """Collect nothing until `resume`, in this process and in those that it forks meanwhile."""
    gc.disable()


def resume() -> None:
    """Collect from now on, but never look at what is there already. Every process that stays has to call it."""
    gc.freeze()
    gc.enable()
