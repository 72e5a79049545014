"""The command line. `main` is the entry point of the `lowbit` command.

Exit codes: 0 done, 1 the work failed, 2 bad usage or bad input, 130 stopped by Ctrl-C. Errors are one line on
standard error, never a traceback.
"""

import os
import sys
from collections.abc import Sequence

from lowbit.errors import LowbitError

USAGE_ERROR = 2
FAILURE = 1
INTERRUPTED = 130  # 128 + SIGINT, as shells report it


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line on `arguments` (default: those of the process) and exit with its code."""
    sys.exit(run_command(sys.argv[1:] if arguments is None else arguments))


def run_command(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; errors are printed, not raised."""
    from lowbit.cli.app import UsageProblem, build_app

    try:
        status = build_app()(args=list(arguments), prog_name="lowbit", standalone_mode=False)
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except UsageProblem as problem:
        return _complain(f"{problem.format_message()} (lowbit --help shows the usage)", USAGE_ERROR)
    except LowbitError as error:
        return _complain(str(error), USAGE_ERROR)
    except KeyboardInterrupt:
        return _complain("stopped by Ctrl-C", INTERRUPTED)
    except BrokenPipeError:  # the reader of our output has gone, as in `lowbit formats | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE
    except Exception as error:  # the last line of defence between a bug and the user's terminal
        return _complain(f"unexpected {type(error).__name__}: {error}; please report it with the command", FAILURE)


def _complain(message: str, status: int) -> int:
    print(f"lowbit: error: {' '.join(message.split())}", file=sys.stderr)
    return status
