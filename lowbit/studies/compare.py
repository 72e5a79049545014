"""From trial records to the comparison that tables and figures show: one row per task, mode and format."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from lowbit.errors import LowbitError
from lowbit.formats import format as find_format
from lowbit.studies.records import TrialRecord
from lowbit.studies.spec import Arm, Mode, Study, TaskPlan
from lowbit.studies.statistics import Estimate, estimate, paired, rank_intervals

BASELINE_BITS = 32.0  # float32


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One arm of one task over its finished seeds.

    `loss`, `accuracy` (None for tasks without) and `gap` (to the baseline, paired by seed) leave diverged
    trials out; `diverged` counts those. `rank` is the interval of places among the arms of its mode, None for
    the baseline and for arms with a diverged trial. `ahead_of_next` says whether the next row of the table is
    surely worse (None for the last one and where no test is possible).
    """

    arm: Arm
    bits: float
    loss: Estimate
    accuracy: Estimate | None
    gap: Estimate
    rank: tuple[int, int] | None
    ahead_of_next: bool | None
    finished: int
    diverged: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Rows of one task and mode, best mean gap first, with the baseline they are measured against."""

    task: str
    mode: Mode
    seeds: int
    baseline: Row
    rows: tuple[Row, ...]


def bits_of(arm: Arm) -> float:
    """Storage bits per element of the arm's format, scales included; 32 for the baseline, NaN if it is
    unknown here.
    """
    if arm.is_baseline:
        return BASELINE_BITS
    try:
        return float(find_format(arm.format).bits_per_element)
    except LowbitError:
        return math.nan


def compare(study: Study, records: Sequence[TrialRecord]) -> tuple[Comparison, ...]:
    """All comparisons of a study, task by task and mode by mode, from the records there are."""
    modes = [mode for mode in Mode if mode is not Mode.BASELINE and any(arm.mode is mode for arm in study.arms)]
    return tuple(_compare_mode(study, plan, mode, records) for plan in study.tasks for mode in modes)


def _compare_mode(study: Study, plan: TaskPlan, mode: Mode, records: Sequence[TrialRecord]) -> Comparison:
    by_arm: dict[Arm, list[TrialRecord]] = {arm: [] for arm in study.arms}
    for record in records:
        if record.spec.plan == plan and record.spec.arm in by_arm:
            by_arm[record.spec.arm].append(record)
    baseline = next(arm for arm in study.arms if arm.is_baseline)
    reference = losses_by_seed(by_arm[baseline])
    arms = [arm for arm in study.arms if arm.mode is mode]
    arms.sort(key=lambda arm: _sort_key(by_arm[arm], reference))
    return Comparison(
        task=plan.task,
        mode=mode,
        seeds=len(study.seeds),
        baseline=_row(baseline, by_arm[baseline], reference, None, None),
        rows=_rank(arms, by_arm, reference),
    )


def _rank(arms: list[Arm], by_arm: dict[Arm, list[TrialRecord]], reference: dict[int, float]) -> tuple[Row, ...]:
    losses = {arm: losses_by_seed(by_arm[arm]) for arm in arms}
    stable = [arm for arm in arms if losses[arm] and not any(record.diverged for record in by_arm[arm])]
    ranks = dict(zip(stable, rank_intervals([losses[arm] for arm in stable]), strict=True))
    ahead = {
        one: gap.differs_from_zero if (gap := paired(losses[one], losses[other])).count >= 2 else None
        for one, other in pairwise(stable)
    }
    return tuple(_row(arm, by_arm[arm], reference, ranks.get(arm), ahead.get(arm)) for arm in arms)


def _row(
    arm: Arm,
    records: list[TrialRecord],
    reference: dict[int, float],
    rank: tuple[int, int] | None,
    ahead_of_next: bool | None,
) -> Row:
    losses = losses_by_seed(records)
    accuracies = [record.accuracy for record in records if record.accuracy is not None and not record.diverged]
    return Row(
        arm=arm,
        bits=bits_of(arm),
        loss=estimate(list(losses.values())),
        accuracy=estimate(accuracies) if accuracies else None,
        gap=paired(losses, reference),
        rank=rank,
        ahead_of_next=ahead_of_next,
        finished=len(records),
        diverged=sum(record.diverged for record in records),
    )


def losses_by_seed(records: Sequence[TrialRecord]) -> dict[int, float]:
    """Held-out loss by seed, without diverged trials."""
    return {record.spec.seed: record.loss for record in records if record.loss is not None}


def _sort_key(records: list[TrialRecord], reference: dict[int, float]) -> tuple[bool, float]:
    """Diverged and unfinished arms last, the others by mean gap."""
    gap = paired(losses_by_seed(records), reference)
    unstable = gap.count == 0 or any(record.diverged for record in records)
    return unstable, gap.mean if gap.count else math.inf
