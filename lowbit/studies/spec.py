"""What a study is: tasks x arms x seeds, all of it frozen data with one canonical JSON text.

An *arm* is what is compared (a recipe, tabulated under a format and a mode); a *trial* is one arm of one task
with one seed. A trial is pure: its spec decides its result, and its id is a hash of its spec.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from lowbit.errors import ArgumentError, FormatError
from lowbit.studies.codec import canonical_json, check_keys, flat_from_json, flat_to_json, parse_object, sha256_of
from lowbit.studies.settings import DigitsSettings, LanguageSettings, Settings

SPEC_VERSION = 1  # raise it when the same spec text would mean another experiment
ID_DIGITS = 16  # 64 bits of SHA-256: a clash among a million trials has a chance of 3e-8
SETTINGS: Mapping[str, type[Settings]] = {"digits": DigitsSettings, "language": LanguageSettings}


class Mode(StrEnum):
    """Which matrix products of a layer are quantized."""

    BASELINE = "baseline"
    FORWARD = "forward"
    GEMMS = "gemms"

    @property
    def title(self) -> str:
        """How tables and figures call it."""
        return {"baseline": "not quantized", "forward": "forward only", "gemms": "all three GEMMs"}[self.value]


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """One thing to compare: `recipe` (text for `lowbit.recipe`, None = not quantized), tabulated by format
    and mode.
    """

    format: str
    mode: Mode
    recipe: str | None

    def __post_init__(self) -> None:
        if (self.recipe is None) != (self.mode is Mode.BASELINE):
            raise ArgumentError(f"arm {self.format}: exactly the {Mode.BASELINE} arm has no recipe")

    @property
    def is_baseline(self) -> bool:
        """Whether gaps are measured against this arm."""
        return self.mode is Mode.BASELINE

    @property
    def label(self) -> str:
        """Short text for progress lines, such as `mxfp4 forward`."""
        return self.format if self.is_baseline else f"{self.format} {self.mode}"


BASELINE = Arm(format="fp32", mode=Mode.BASELINE, recipe=None)


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskPlan:
    """A task with its settings and the SHA-256 of its data (None: data that ships with a fixed dependency)."""

    task: str
    settings: Settings
    data: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"task": self.task, "settings": flat_to_json(self.settings), "data": self.data}

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> "TaskPlan":
        """Inverse of `to_json`; FormatError for unknown tasks, settings or types."""
        check_keys(given, {"task", "settings", "data"}, "a task of a study")
        task, data = given["task"], given["data"]
        if not isinstance(task, str) or task not in SETTINGS:
            raise FormatError(f"no task named {task!r}; there are {', '.join(sorted(SETTINGS))}")
        if not (data is None or isinstance(data, str)) or not isinstance(given["settings"], dict):
            raise FormatError(f"task {task}: settings must be an object and data a text or null")
        settings = flat_from_json(SETTINGS[task], given["settings"], f"settings of task {task}")
        return cls(task=task, settings=settings, data=data)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialSpec:
    """All that decides the result of one training run."""

    plan: TaskPlan
    arm: Arm
    seed: int

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON, with the version of the meaning."""
        return {
            "version": SPEC_VERSION,
            **self.plan.to_json(),
            "arm": flat_to_json(self.arm),
            "seed": self.seed,
        }

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> "TrialSpec":
        """Inverse of `to_json`; FormatError for anything it does not know."""
        check_keys(given, {"version", "task", "settings", "data", "arm", "seed"}, "a trial spec")
        _check_version(given["version"])
        plan = TaskPlan.from_json({key: given[key] for key in ("task", "settings", "data")})
        return cls(plan=plan, arm=arm_from_json(given["arm"]), seed=_checked_seed(given["seed"]))

    @property
    def id(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of the canonical JSON."""
        return sha256_of(self.to_json())[:ID_DIGITS]

    @property
    def label(self) -> str:
        """Short text for progress lines, such as `language, mxfp4 forward, seed 1`."""
        return f"{self.plan.task}, {self.arm.label}, seed {self.seed}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """Every combination of task, arm and seed. Exactly one arm is the baseline that gaps are measured
    against.
    """

    name: str
    description: str
    tasks: tuple[TaskPlan, ...]
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]

    def __post_init__(self) -> None:
        if sum(arm.is_baseline for arm in self.arms) != 1:
            raise ArgumentError(f"study {self.name} needs exactly one baseline arm")
        for what, items in (("task", [plan.task for plan in self.tasks]), ("arm", self.arms), ("seed", self.seeds)):
            if not items or len(set(items)) != len(items):
                raise ArgumentError(f"study {self.name} needs at least one {what} and none of them twice")

    def trials(self) -> tuple[TrialSpec, ...]:
        """All trials, seed by seed, so that an unfinished study compares as many arms as it can."""
        return tuple(
            TrialSpec(plan=plan, arm=arm, seed=seed) for seed in self.seeds for plan in self.tasks for arm in self.arms
        )

    def with_seeds(self, count: int) -> "Study":
        """The same study with seeds 0 to count - 1; ArgumentError unless count is 1 to 1000."""
        if not 1 <= count <= 1000:
            raise ArgumentError(f"{count} seeds asked for; between 1 and 1000 are allowed")
        return replace(self, seeds=tuple(range(count)))

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON, with the version of the meaning."""
        return {
            "version": SPEC_VERSION,
            "name": self.name,
            "description": self.description,
            "tasks": [plan.to_json() for plan in self.tasks],
            "arms": [flat_to_json(arm) for arm in self.arms],
            "seeds": list(self.seeds),
        }

    @classmethod
    def from_text(cls, text: str | bytes, what: str) -> "Study":
        """The study in a JSON text called `what` in errors; FormatError for anything it does not know."""
        given = parse_object(text, what)
        check_keys(given, {"version", "name", "description", "tasks", "arms", "seeds"}, what)
        _check_version(given["version"])
        if not all(isinstance(given[key], list) for key in ("tasks", "arms", "seeds")):
            raise FormatError(f"{what}: tasks, arms and seeds must be lists")
        if not all(isinstance(given[key], str) for key in ("name", "description")):
            raise FormatError(f"{what}: name and description must be texts")
        return cls(
            name=given["name"],
            description=given["description"],
            tasks=tuple(TaskPlan.from_json(plan) for plan in given["tasks"]),
            arms=tuple(arm_from_json(arm) for arm in given["arms"]),
            seeds=tuple(_checked_seed(seed) for seed in given["seeds"]),
        )

    def __str__(self) -> str:
        return canonical_json(self.to_json())


def arm_from_json(given: Any) -> Arm:
    """An arm from its plain values; FormatError for an unknown mode, key or type."""
    check_keys(given, {"format", "mode", "recipe"}, "an arm")
    label, mode, recipe = given["format"], given["mode"], given["recipe"]
    if not isinstance(label, str) or not (recipe is None or isinstance(recipe, str)):
        raise FormatError("an arm's format must be a text and its recipe a text or null")
    if mode not in list(Mode):
        raise FormatError(f"no mode named {mode!r}; there are {', '.join(Mode)}")
    return Arm(format=label, mode=Mode(mode), recipe=recipe)


def _check_version(version: object) -> None:
    if version != SPEC_VERSION:
        raise FormatError(
            f"this study was written with spec version {version!r}, this lowbit reads {SPEC_VERSION}; "
            "use the lowbit version that made it, or another folder"
        )


def _checked_seed(seed: object) -> int:
    if type(seed) is not int or not 0 <= seed < 2**63:
        raise FormatError(f"seed {seed!r} is not an integer from 0 to 2^63 - 1")
    return seed
