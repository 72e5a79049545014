"""Reports on the tensors of a file: what each format would do to them, as a table and as a page."""

from lowbit.reports.collect import DEFAULT_FORMATS, Report, TensorResult, collect, parse_formats
from lowbit.reports.sources import open_tensors

__all__ = ["DEFAULT_FORMATS", "Report", "TensorResult", "collect", "open_tensors", "parse_formats"]
