"""The studies that come with lowbit, as data."""

from pathlib import Path

from lowbit.errors import ArgumentError, FileError
from lowbit.studies.settings import DigitsSettings, LanguageSettings
from lowbit.studies.spec import BASELINE, Arm, Mode, Study, TaskPlan

QUICK_FORMATS = ("bf16", "mxint8", "mxfp8_e4m3", "mxfp4", "nvfp4", "ue5m3_fp4", "nvint4")
MAX_SPEC_BYTES = 16 * 1024**2


def format_arms(formats: tuple[str, ...]) -> tuple[Arm, ...]:
    """The fp32 baseline, then for each format: forward only, and all three GEMMs."""
    quantized = (
        Arm(format=name, mode=mode, recipe=f"{mode}:{name}") for name in formats for mode in (Mode.FORWARD, Mode.GEMMS)
    )
    return (BASELINE, *quantized)


QUICK = Study(
    name="quick",
    description="seven formats against fp32 on real digits and real English, minutes on two cores",
    tasks=(
        TaskPlan(task="language", settings=LanguageSettings()),
        TaskPlan(task="digits", settings=DigitsSettings()),
    ),
    arms=format_arms(QUICK_FORMATS),
    seeds=(0, 1, 2, 3, 4),  # Student's t takes 2.8 standard errors for five seeds, 4.3 for three
)
BUILT_IN = (QUICK,)


def list_studies() -> tuple[str, ...]:
    """Names of the studies that come with lowbit, sorted."""
    return tuple(sorted(study.name for study in BUILT_IN))


def find_study(name: str) -> Study:
    """A built-in study by name, or the study in a JSON file if `name` ends in `.json` (such as
    DIR/study.json).

    Raises ArgumentError for an unknown name, FileError for a file that cannot be read, FormatError for its
    content.
    """
    for study in BUILT_IN:
        if study.name == name:
            return study
    if not name.endswith(".json"):
        raise ArgumentError(f"no study named {name!r}; there are {', '.join(list_studies())}, or give a .json file")
    path = Path(name)
    try:
        if path.stat().st_size > MAX_SPEC_BYTES:
            raise FileError(f"{path} is larger than {MAX_SPEC_BYTES} bytes; that is no study file")
        return Study.from_text(path.read_bytes(), str(path))
    except OSError as error:
        raise FileError(f"cannot read study file {path}: {error.strerror}") from None
