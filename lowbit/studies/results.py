"""Reading a study folder back, and its one flat table: a row per trial with everything needed to repeat it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lowbit.atomic_files import write_atomic
from lowbit.errors import LowbitError
from lowbit.studies.codec import canonical_json
from lowbit.studies.compare import Comparison, bits_of, compare
from lowbit.studies.folder import StudyFolder
from lowbit.studies.records import PACKAGES, TrialRecord
from lowbit.studies.spec import Study, TrialSpec

if TYPE_CHECKING:
    import pyarrow

VERSION_COLUMNS = tuple(f"{name.replace('-', '_')}_version" for name in ("lowbit", "python", *PACKAGES))


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyResults:
    """What a study folder holds: finished trials in the study's order, those missing, and files found
    damaged.
    """

    path: Path
    study: Study
    records: tuple[TrialRecord, ...]
    missing: tuple[TrialSpec, ...]
    damaged: tuple[TrialSpec, ...]

    def comparisons(self) -> tuple[Comparison, ...]:
        """The statistics that `lowbit study show` prints."""
        return compare(self.study, self.records)

    def table(self) -> "pyarrow.Table":
        """One row per finished trial, as in results.parquet."""
        return to_table(self.study, self.records)

    def mixed_versions(self) -> dict[str, tuple[str, ...]]:
        """Packages of which the trials used several versions: bits may then differ for that reason alone."""
        seen: dict[str, set[str]] = {}
        for record in self.records:
            for name, version in record.provenance.versions.items():
                seen.setdefault(name, set()).add(version)
        return {name: tuple(sorted(versions)) for name, versions in seen.items() if len(versions) > 1}


def load(path: str | Path) -> StudyResults:
    """Read a study folder, finished or not, without computing anything.

    A damaged trial file counts as missing and is listed in `damaged`; nothing is changed on disk. Raises
    FileError if `path` is no study folder, FormatError if its study.json is damaged.
    """
    return read_folder(StudyFolder.open(Path(path)))


def read_folder(folder: StudyFolder) -> StudyResults:
    """As `load`, for an open folder."""
    study = folder.study()
    records: list[TrialRecord] = []
    missing: list[TrialSpec] = []
    damaged: list[TrialSpec] = []
    for spec in study.trials():
        try:
            record = folder.read_trial(spec)
        except LowbitError:
            damaged.append(spec)
            record = None
        if record is None:
            missing.append(spec)
        else:
            records.append(record)
    return StudyResults(
        path=folder.path, study=study, records=tuple(records), missing=tuple(missing), damaged=tuple(damaged)
    )


def to_table(study: Study, records: Sequence[TrialRecord]) -> "pyarrow.Table":
    """The flat table of `records`; columns are typed even when there are no rows."""
    import pyarrow as pa  # here: reading a study for the terminal does not need it

    text, number, integer = pa.string(), pa.float64(), pa.int64()
    columns: dict[str, pa.DataType] = {
        **dict.fromkeys(("trial", "study", "task", "format", "mode", "recipe"), text),
        **dict.fromkeys(("bits_per_element", "loss", "accuracy"), number),
        **dict.fromkeys(("seed", "steps", "parameters", "quantized_layers"), integer),
        "diverged": pa.bool_(),
        "curve_steps": pa.list_(integer),
        "curve_losses": pa.list_(number),
        "seconds": number,
        **dict.fromkeys(("started", "platform", "data", "spec", *VERSION_COLUMNS), text),
    }
    schema = pa.schema(columns)
    return pa.Table.from_pylist([_row(study, record) for record in records], schema=schema)


def _row(study: Study, record: TrialRecord) -> dict[str, Any]:
    spec, source = record.spec, record.provenance
    versions = {f"{name.replace('-', '_')}_version": version for name, version in source.versions.items()}
    return {
        "trial": spec.id,
        "study": study.name,
        "task": spec.plan.task,
        "format": spec.arm.format,
        "mode": spec.arm.mode.value,
        "recipe": spec.arm.recipe,
        "bits_per_element": bits_of(spec.arm),
        "loss": record.loss,
        "accuracy": record.accuracy,
        "seed": spec.seed,
        "steps": spec.plan.settings.steps,
        "parameters": record.parameters,
        "quantized_layers": record.quantized_layers,
        "diverged": record.diverged,
        "curve_steps": [step for step, _ in record.curve],
        "curve_losses": [loss for _, loss in record.curve],
        "seconds": source.seconds,
        "started": source.started,
        "platform": source.platform,
        "data": spec.plan.data,
        "spec": canonical_json(spec.to_json()),
        **versions,
    }


def write_results(folder: StudyFolder, results: StudyResults) -> None:
    """Write results.parquet atomically; FileError if that fails."""
    import pyarrow.parquet as parquet

    table = results.table()
    write_atomic(folder.results, lambda temporary: parquet.write_table(table, temporary))
