"""Other libraries against the contract: adapters, their checks, and the page docs/disagreements.md.

A library is one file in `libraries/`: what it is called, which of its functions are compared with which formats, and
the departures that are on record. Adding one is writing such a file; everything here finds it.
"""

from lowbit.testing.peers.check import PeerReport as PeerReport
from lowbit.testing.peers.check import check_peer as check_peer
from lowbit.testing.peers.model import Adapter as Adapter
from lowbit.testing.peers.model import Peer as Peer
from lowbit.testing.peers.page import disagreements_page as disagreements_page
from lowbit.testing.peers.registry import find_peer as find_peer
from lowbit.testing.peers.registry import list_peers as list_peers
