"""What all commands share: an error that a user can fix is one line, and cores are shared with other processes."""

import functools
import os
from collections.abc import Callable
from typing import ParamSpec

import typer

from promise_cli.errors import PromiseError

P = ParamSpec("P")


def explains_errors(command: Callable[P, None]) -> Callable[P, None]:
    """Show errors that a user can fix as one line, and exit with status 1."""

    @functools.wraps(command)
    def explained(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except PromiseError as error:
            from promise_cli.console import fail

            fail(str(error))
            raise typer.Exit(1) from None
        except OSError as error:
            from promise_cli.console import fail

            place = error.filename or "the disk"
            fail(f"{place}: {error.strerror or error}; check permissions and free space")
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            from promise_cli.console import fail

            fail("stopped; what was finished is kept")
            raise typer.Exit(1) from None

    return explained


def share_cores() -> None:
    """Set what torch reads when it is loaded: how its threads wait, and that MPS leaves to the CPU what it lacks.

    Threads should sleep soon while they wait for each other. By default they spin for long: next to any other busy
    process a step then takes many times as long. Sleeping at once would cost half as much again on a machine of one's
    own (`docs/benchmarks.md`).
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")
