"""The judges: six layers in their order, and the memory of what they said.

`schema` (form), `trust` (tier and grant), `rate` (how often), `prefilter` (known attacks, guarded contents), the gate
that `probe` leaves room for, `constitution` (principles). `pipeline` asks them and remembers; nothing here does I/O,
waits or reads a clock.
"""
