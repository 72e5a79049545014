"""Python's garbage collector, out of the way where many objects are made and none dies: imports and compilations.

It would look through all of torch again and again, which takes a sixth of the time of a first call.
"""

import gc


class Pause:
    """A block in which nothing is collected; also pairs of `begin` and `end`, maybe nested, where no block fits.

    Only a collector that was running is paused, by the outermost pair.
    """

    def __init__(self) -> None:
        self._depth = 0
        self._paused = False

    def begin(self) -> None:
        """Nothing is collected from here on."""
        if self._depth == 0 and gc.isenabled():
            gc.disable()
            self._paused = True
        self._depth += 1

    def end(self) -> None:
        """The collector runs again after the last `end`, if it ran before."""
        self._depth -= 1
        if self._depth == 0 and self._paused:
            self._paused = False
            gc.enable()

    def __enter__(self) -> None:
        self.begin()

    def __exit__(self, *_: object) -> None:
        self.end()
