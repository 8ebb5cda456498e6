"""Which rendering this is: raised by any change of what `render` makes of a call. Apart, so that a launch can compare
it without compiling what renders."""

from __future__ import annotations

VERSION = 3
