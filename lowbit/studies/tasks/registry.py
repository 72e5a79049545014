"""Runs the task that a trial spec names."""

from pathlib import Path

from lowbit.studies.settings import DigitsSettings, LanguageSettings
from lowbit.studies.spec import TrialSpec
from lowbit.studies.tasks.digits import run_digits
from lowbit.studies.tasks.language import run_language
from lowbit.studies.tasks.trial import Outcome, Trial


def run_trial(spec: TrialSpec, text_path: Path | None = None) -> Outcome:
    """Train and judge the model of `spec`; the same spec gives the same outcome bit for bit on one thread.

    `text_path` is the file with the training text of language tasks (None: the built-in text); it must be the
    one whose SHA-256 the spec records, else ArgumentError.
    """
    trial = Trial(seed=spec.seed, recipe=spec.arm.recipe, data=spec.plan.data, text_path=text_path)
    match spec.plan.settings:
        case DigitsSettings() as settings:
            return run_digits(settings, trial)
        case LanguageSettings() as settings:
            return run_language(settings, trial)
