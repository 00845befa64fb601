"""From which size on a trace is big: its view is then made ahead of its first reader."""

from __future__ import annotations

LEAST_SPANS = 1_000  # with fewer a view is worked out as quickly as the rest of its page
