"""numpy's float16."""

from collections.abc import Iterator

import numpy as np

from lowbit.testing.peers.model import Adapter, Peer


def adapters() -> Iterator[Adapter]:
    """The cast to float16."""
    yield Adapter(format="fp16", call="x.astype(numpy.float16)", quantizer=lambda x: x.astype(np.float16))


PEER = Peer(name="numpy", distribution="numpy", make=adapters)
