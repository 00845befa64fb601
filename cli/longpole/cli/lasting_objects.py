"""Objects that a start leaves behind last as long as the server: nobody need search them for
garbage.

Python looks through everything that it has from time to time, and the more often the more
objects requests make, as those of OTLP/JSON do: beside modules and machine code of hundreds of
thousands of objects that took more time than reading the request.
"""

from __future__ import annotations

import gc


def keep_what_is_loaded() -> None:
    """Collect once more, and leave what remains out of all later collections. It can be called
    again when more was loaded; objects are still freed when nothing refers to them."""
    gc.collect()
    gc.freeze()
