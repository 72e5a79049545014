"""Which kernels run where. One backend today: numba kernels on the processor's memory.

A backend is a frozen record; `which` says why it was or was not chosen. Kernels are imported at their first use.
"""

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from lowbit.collection import collection_paused
from lowbit.errors import UnsupportedError
from lowbit.interrupts import interrupts_deferred


@dataclass(frozen=True, kw_only=True, slots=True)
class Backend:
    """A set of kernels: the device type it serves, what it needs, and the module that holds its entry points."""

    name: str
    device: str
    needs: str
    module: str

    def reason_against(self, device: str) -> str | None:
        """Why this backend cannot serve a device, or None if it can."""
        if device != self.device:
            return f"serves {self.device} tensors, not {device}"
        if find_spec(self.needs) is None:
            return f"needs {self.needs}: install it"
        return None


BACKENDS = (Backend(name="numba", device="cpu", needs="numba", module="lowbit.kernels.cpu.entry"),)


def which(device: str = "cpu") -> dict[str, str]:
    """For every backend, "chosen" or the reason why it is not, for tensors on `device`."""
    return {backend.name: backend.reason_against(device) or "chosen" for backend in BACKENDS}


@cache
def load(device: str = "cpu") -> Any:
    """The kernel module for a device. UnsupportedError names the device and what each backend serves."""
    for backend in BACKENDS:
        if backend.reason_against(device) is None:
            with collection_paused(), interrupts_deferred():
                return import_module(backend.module)
    reasons = "; ".join(f"{name} {reason}" for name, reason in which(device).items())
    raise UnsupportedError(f"no kernels for device {device!r}: {reasons}; move the tensor to the cpu first")
