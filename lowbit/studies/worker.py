"""A worker process: trial specs come in on standard input, one JSON line each, replies go out on standard
output.

Run as `python -m lowbit.studies.worker`. A separate program rather than a forked or spawned copy of the
caller: it needs no `if __name__ == "__main__"` guard in a user's script and works from a notebook. It ends by
itself when its parent does, however the parent dies, because its standard input then closes.
"""

import json
import os
import queue
import sys
import threading
import time
import traceback
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from lowbit.errors import LowbitError
from lowbit.studies.records import Provenance, TrialRecord
from lowbit.studies.spec import TrialSpec

PARENT_GONE = 3


def main() -> None:
    """Serve requests `{"spec": ..., "text": path or null}` until standard input closes."""
    replies = _claim_stdout()
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read_requests, args=(sys.stdin, requests), daemon=True).start()
    _use_one_thread()
    while True:
        reply = answer(json.loads(requests.get()))
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Run one trial: `{"record": ...}`, or `{"error": one line, "traceback": text}` if it failed."""
    try:
        spec = TrialSpec.from_json(request["spec"])
        return {"record": run_recorded(spec, request["text"]).to_json()}
    except Exception as error:  # the parent reports it; one failed trial must not end the study
        kind = "" if isinstance(error, LowbitError) else f"{type(error).__name__}: "
        message = " ".join(str(error).split()) or "no message"
        return {"error": f"{kind}{message}", "traceback": traceback.format_exc()}


def run_recorded(spec: TrialSpec, text_path: str | None = None) -> TrialRecord:
    """Run the trial in this process and note when, for how long and with which versions."""
    from lowbit.studies.tasks.registry import run_trial  # here: loads torch

    started, clock = datetime.now(UTC), time.perf_counter()
    outcome = run_trial(spec, None if text_path is None else Path(text_path))
    provenance = Provenance.of_this_process(started=started, seconds=time.perf_counter() - clock)
    return TrialRecord(spec=spec, provenance=provenance, **asdict(outcome))


def _claim_stdout() -> TextIO:
    """Keep standard output for replies alone: whatever a library prints goes to standard error."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return replies


def _read_requests(stream: TextIO, requests: "queue.SimpleQueue[str]") -> None:
    """Queue each line; when the stream ends the parent is gone, and so is the process, in the middle of a
    trial or not.
    """
    for line in stream:
        requests.put(line)
    os._exit(PARENT_GONE)


def _use_one_thread() -> None:
    """One thread a worker: trials are spread over processes, and a sum has one order."""
    import torch

    from lowbit.ops.front import set_num_threads

    torch.set_num_threads(1)
    set_num_threads(1)


if __name__ == "__main__":
    main()
