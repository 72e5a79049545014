"""Studies: the same training repeated over formats, modes and seeds, with honest error bars.

>>> from lowbit import studies
>>> studies.list_studies()
('quick',)

`run` trains, `load` reads a study folder back; `lowbit study` does both from the command line. Names are
looked up when first used, so importing this package loads neither torch nor matplotlib.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lowbit.studies.catalog import find_study, list_studies
    from lowbit.studies.figures import plot
    from lowbit.studies.results import StudyResults, load
    from lowbit.studies.runner import StudyError, run
    from lowbit.studies.settings import DigitsSettings, LanguageSettings
    from lowbit.studies.spec import Arm, Mode, Study, TaskPlan, TrialSpec

__all__ = [
    "Arm",
    "DigitsSettings",
    "LanguageSettings",
    "Mode",
    "Study",
    "StudyError",
    "StudyResults",
    "TaskPlan",
    "TrialSpec",
    "find_study",
    "list_studies",
    "load",
    "plot",
    "run",
]

_HOME = {
    "Arm": "spec",
    "DigitsSettings": "settings",
    "LanguageSettings": "settings",
    "Mode": "spec",
    "Study": "spec",
    "StudyError": "runner",
    "StudyResults": "results",
    "TaskPlan": "spec",
    "TrialSpec": "spec",
    "find_study": "catalog",
    "list_studies": "catalog",
    "load": "results",
    "plot": "figures",
    "run": "runner",
}


def __getattr__(name: str) -> object:
    """Import the home of a public name at its first use."""
    if name not in _HOME:
        raise AttributeError(f"module 'lowbit.studies' has no attribute {name!r}")
    return getattr(import_module(f"lowbit.studies.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    """The public names, loaded or not."""
    return sorted(__all__)
