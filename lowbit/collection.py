"""Python's garbage collector, out of the way where many objects are made and none dies: imports and compilations.

It would look through all of torch again and again, which takes a sixth of the time of a first call.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collection_paused() -> Iterator[None]:
    """A block in which nothing is collected; a collector that ran before runs again after it."""
    ran = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if ran:
            gc.enable()
