"""Which clauses concern a subject: by what it is, and by what the caller asks for."""

from collections.abc import Iterable

from lowbit.errors import ArgumentError
from lowbit.testing.clauses import CLAUSES, Clause
from lowbit.testing.subject import Subject


def chosen_clauses(subject: Subject, only: Iterable[str] | None, skip: Iterable[str]) -> list[Clause]:
    """The clauses that concern a subject, of those whose id or section is in `only` and not in `skip`.

    ArgumentError for an entry that names no clause.
    """
    wanted, unwanted = None if only is None else _checked(only), _checked(skip)
    return [
        clause
        for clause in CLAUSES
        if (wanted is None or _named(clause, wanted)) and not _named(clause, unwanted) and _concerns(clause, subject)
    ]


def _concerns(clause: Clause, subject: Subject) -> bool:
    if subject.transform is not None:
        return clause.kind == "rotating" and not subject.is_stochastic
    if clause.kind == "drawing":
        return subject.is_stochastic and not subject.statistical
    return clause.kind == "all"


def _named(clause: Clause, names: frozenset[str]) -> bool:
    return bool(names & {clause.id, clause.section, clause.section[1:]})


def _checked(names: Iterable[str]) -> frozenset[str]:
    given = frozenset([names] if isinstance(names, str) else names)
    known = {name for clause in CLAUSES for name in (clause.id, clause.section, clause.section[1:])}
    if given - known:
        raise ArgumentError(
            f"no clause {sorted(given - known)[0]!r}; lowbit.testing.list_clauses() has the ids, and a section such as "
            "'5' stands for all of its clauses"
        )
    return given
