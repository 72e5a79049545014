"""The conformance kit: other people's quantizers against the numerical contract, clause by clause.

`check_conformance` and `assert_conforms` check a function, `export_vectors` writes test vectors for hardware and
kernels, `check_stochastic` proves probabilities and independence of stochastic rounding, `lowbit.testing.strategies`
has hypothesis strategies (it needs hypothesis: the extra `test`). Expected numbers come from the exact oracle
`lowbit.reference` or from exact rationals, never from the kernels. See docs/conformance.md.
`check_peer` runs the adapters of other libraries (`lowbit.testing.peers`); docs/disagreements.md says what they do.
`lowbit.testing.certificates` is about lowbit itself: every float32 input of a format against exact boundaries.
"""

from lowbit.testing.calling import Stored as Stored
from lowbit.testing.clauses import CLAUSES as CLAUSES
from lowbit.testing.clauses import Clause as Clause
from lowbit.testing.clauses import list_clauses as list_clauses
from lowbit.testing.conformance import assert_conforms as assert_conforms
from lowbit.testing.conformance import check_conformance as check_conformance
from lowbit.testing.peers import Adapter as Adapter
from lowbit.testing.peers import Peer as Peer
from lowbit.testing.peers import PeerReport as PeerReport
from lowbit.testing.peers import check_peer as check_peer
from lowbit.testing.peers import list_peers as list_peers
from lowbit.testing.records import ConformanceReport as ConformanceReport
from lowbit.testing.records import Violation as Violation
from lowbit.testing.stochastic.check import check_stochastic as check_stochastic
from lowbit.testing.stochastic.check import check_words as check_words
from lowbit.testing.stochastic.records import StochasticReport as StochasticReport
from lowbit.testing.vector_files import export_vectors as export_vectors
