"""Which clauses concern a subject: by what it is, and by what the caller asks for."""

from collections.abc import Iterable

from lowbit.errors import ArgumentError
from lowbit.testing.clauses import CLAUSES, Clause, list_clauses
from lowbit.testing.subject import Subject


def chosen_clauses(subject: Subject, only: Iterable[str] | None, skip: Iterable[str]) -> list[Clause]:
    """The clauses that concern a subject, of those whose id or section is in `only` and not in `skip`.

    ArgumentError for an entry that names no clause.
    """
    chosen = chosen_ids(only, skip)
    return [clause for clause in CLAUSES if clause.id in chosen and _concerns(clause, subject)]


def chosen_ids(only: Iterable[str] | None, skip: Iterable[str]) -> frozenset[str]:
    """The ids that `only` (None: all) and not `skip` name, by themselves or by their section. ArgumentError."""
    unwanted = checked_names(skip)
    wanted = None if only is None else checked_names(only)
    return frozenset(id for id in list_clauses() if (wanted is None or _named(id, wanted)) and not _named(id, unwanted))


def checked_names(names: Iterable[str]) -> frozenset[str]:
    """Names of clauses or sections; ArgumentError for one that is neither."""
    given = frozenset([names] if isinstance(names, str) else names)
    known = {name for id in list_clauses() for name in _names(id)}
    if given - known:
        raise ArgumentError(
            f"no clause {min(given - known, key=str)!r}; lowbit.testing.list_clauses() has the ids, and a section such "
            "as '5' stands for all of its clauses"
        )
    return given


def _concerns(clause: Clause, subject: Subject) -> bool:
    if subject.transform is not None:
        return clause.kind == "rotating" and not subject.is_stochastic
    if clause.kind == "drawing":
        return subject.is_stochastic and not subject.statistical
    return clause.kind == "all"


def _names(id: str) -> set[str]:
    section = id.partition(".")[0]
    return {id, section, f"§{section}"}


def _named(id: str, names: frozenset[str]) -> bool:
    return bool(names & _names(id))
