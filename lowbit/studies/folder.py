"""A study folder on disk: `study.json` (what is run), `trials/ID.json` (one per finished trial), and what is
made of them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from lowbit.errors import FileError, FormatError
from lowbit.studies.catalog import MAX_SPEC_BYTES
from lowbit.studies.codec import canonical_json
from lowbit.studies.files import exclusive_lock, remove_leftovers, write_text_atomic
from lowbit.studies.records import TrialRecord
from lowbit.studies.spec import Study, TrialSpec

STUDY_FILE = "study.json"
MAX_TRIAL_BYTES = 16 * 1024**2


class StudyFolder:
    """The files of one study.

    Trial files are the truth: each is written once, atomically, with a checksum. `results.parquet`,
    `plot.png` and `plot.svg` are made from them and can be made again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.trials = path / "trials"
        self.logs = path / "logs"
        self.results = path / "results.parquet"

    @classmethod
    def create(cls, path: Path, study: Study) -> "StudyFolder":
        """Make the folder for `study`, or take up the one that is there.

        Raises FileError if it cannot be written, holds something else, or holds another study. More seeds of
        the study that is there are taken as its continuation.
        """
        folder = cls(path)
        if path.exists() and not path.is_dir():
            raise FileError(f"{path} is a file; --out needs a folder")
        if folder._has_study():
            folder._check_same(study)
        elif path.is_dir() and _has_foreign_files(path):
            raise FileError(f"{path} is not empty and not a study folder; use a new folder")
        try:
            folder.trials.mkdir(parents=True, exist_ok=True)
            folder.logs.mkdir(exist_ok=True)
        except OSError as error:
            raise FileError(f"cannot make the study folder {path}: {error.strerror}") from None
        write_text_atomic(path / STUDY_FILE, canonical_json(study.to_json()) + "\n")
        return folder

    @classmethod
    def open(cls, path: Path) -> "StudyFolder":
        """The study folder at `path`; FileError if there is none."""
        folder = cls(path)
        if not folder._has_study():
            raise FileError(f"{path} is not a study folder (it has no {STUDY_FILE}); lowbit study run makes one")
        return folder

    def study(self) -> Study:
        """What `study.json` says; FileError if it is unreadable or damaged."""
        file = self.path / STUDY_FILE
        try:
            if file.stat().st_size > MAX_SPEC_BYTES:
                raise FileError(f"{file} is larger than {MAX_SPEC_BYTES} bytes; that is no study file")
            return Study.from_text(file.read_bytes(), str(file))
        except OSError as error:
            raise FileError(f"cannot read {file}: {error.strerror}") from None

    def read_trial(self, spec: TrialSpec) -> TrialRecord | None:
        """The finished trial, or None if there is none; FileError or FormatError if its file is damaged."""
        file = self.trial_file(spec)
        try:
            if file.stat().st_size > MAX_TRIAL_BYTES:
                raise FormatError(f"{file} is too large for a trial file")
            text = file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise FileError(f"cannot read {file}: {error.strerror}") from None
        record = TrialRecord.from_text(text, str(file))
        if record.spec != spec:
            raise FormatError(f"{file} holds another trial")
        return record

    def set_aside(self, spec: TrialSpec) -> Path:
        """Rename a damaged trial file so that the trial runs again; the new path, which nothing reads."""
        file = self.trial_file(spec)
        aside = file.with_suffix(".damaged")
        try:
            return file.replace(aside)
        except OSError as error:
            raise FileError(f"cannot set aside the damaged file {file}: {error.strerror}") from None

    def write_trial(self, record: TrialRecord) -> None:
        """Keep a finished trial, atomically; FileError if the disk is full or the folder is not writable."""
        write_text_atomic(self.trial_file(record.spec), record.to_text())

    def trial_file(self, spec: TrialSpec) -> Path:
        """Where the trial is kept."""
        return self.trials / f"{spec.id}.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs out inside the block and clear what a killed run left half-written."""
        with exclusive_lock(self.path / ".lock"):
            remove_leftovers(self.path)
            remove_leftovers(self.trials)
            yield

    def _has_study(self) -> bool:
        try:
            return (self.path / STUDY_FILE).is_file()
        except OSError as error:
            raise FileError(f"cannot read {self.path}: {error.strerror}") from None

    def _check_same(self, study: Study) -> None:
        there = self.study()
        if replace(there, seeds=study.seeds) != study or not set(there.seeds) <= set(study.seeds):
            raise FileError(
                f"{self.path} holds another study ({there.name}, {len(there.seeds)} seeds, or other settings or text); "
                "use another folder, or the command that made this one"
            )


def _has_foreign_files(path: Path) -> bool:
    try:
        return any(path.iterdir())
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror}") from None
