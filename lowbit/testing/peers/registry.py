"""Which libraries there are: the files of `libraries/`."""

from importlib import import_module
from pkgutil import iter_modules

from lowbit.errors import ArgumentError
from lowbit.testing.peers import libraries
from lowbit.testing.peers.model import Peer


def list_peers() -> list[str]:
    """The names of all libraries that have an adapter, installed or not.

    >>> "ml_dtypes" in list_peers()
    True
    """
    return sorted(_modules())


def find_peer(name: str) -> Peer:
    """A library by its name; ArgumentError for a name that has no adapter."""
    if name not in _modules():
        raise ArgumentError(f"no adapter for {name!r}; choose from: {', '.join(list_peers())}")
    return import_module(_modules()[name]).PEER


def _modules() -> dict[str, str]:
    """File names are the libraries' names; a trailing _ tells one from a package of the same name."""
    found = [info.name for info in iter_modules(libraries.__path__)]
    return {name.rstrip("_"): f"{libraries.__name__}.{name}" for name in found}
