"""Behaviour that the commands share: errors in one line, and settings that let torch share the cores."""

import codecs
import functools
import io
import os
import re
import sys
from collections.abc import Callable
from typing import ParamSpec

import typer

from promise_cli.errors import PromiseError, memory_reason, shorten

P = ParamSpec("P")
_NO_ROOM = re.compile("failed to map segment|allocate memory|returned NULL without setting")
"""Words in the errors of a library that cannot be loaded because it needs more memory than the limit allows."""


ELSEWHERE = "check its permissions, or put the results elsewhere with --root FOLDER (name a dataset by its path)"


def explains_errors(command: Callable[P, None]) -> Callable[P, None]:
    """Make a command show errors that a user can fix as one line, and exit with status 1.

    If the command has an argument `_quiet`, it prints only warnings and errors where that is true.
    """

    @functools.wraps(command)
    def explained(*args: P.args, **kwargs: P.kwargs) -> None:
        from promise_cli.console import quieted
        from promise_cli.jobs import sigterm_interrupts, stop_message

        _escape_output()
        try:
            with sigterm_interrupts(), quieted(bool(kwargs.get("_quiet"))):
                command(*args, **kwargs)
        except PromiseError as error:
            from promise_cli.console import fail

            fail(f"{error}{_hint_on_names()}")
            raise typer.Exit(1) from None
        except OSError as error:
            from promise_cli.console import fail
            from promise_cli.disk.reasons import explain

            fail(explain(error, advice=ELSEWHERE))
            raise typer.Exit(1) from None
        except MemoryError as error:
            from promise_cli.console import fail

            fail(memory_reason(error))
            raise typer.Exit(1) from None
        except (ImportError, SystemError) as error:
            if not _NO_ROOM.search(str(error)):
                raise
            from promise_cli.console import fail

            fail(
                f"not enough memory to load the libraries ({shorten(str(error))}); use a machine with more memory"
            )
            raise typer.Exit(1) from None
        except EOFError as error:
            # typer would end the command with "Aborted!" and hide the traceback.
            raise RuntimeError(f"a file ended too early: {error}") from error
        except KeyboardInterrupt as stop:
            from promise_cli.console import fail

            fail(stop_message(stop))
            raise typer.Exit(1) from None

    return explained


def _escape_output() -> None:
    """Escape what the encoding of the output cannot hold, such as umlauts in the locale `C` without UTF-8 mode."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _hint_on_names() -> str:
    """Return advice on names if the locale is ASCII, otherwise an empty text.

    In such a locale, a name that is not plain ASCII differs between a folder's listing and the content of a file.
    """
    if codecs.lookup(sys.getfilesystemencoding()).name != "ascii":
        return ""
    return "; if a name is not plain ASCII, set PYTHONUTF8=1, since this locale cannot read it"


def share_cores() -> None:
    """Set environment variables that torch reads when it is loaded. They must be set before the first import of torch.

    `GOMP_SPINCOUNT` decides how long threads spin before they sleep while they wait for each other. By default they
    spin for a long time. Next to any other busy process, a step then takes many times as long. If they slept at once,
    a step on an otherwise idle machine would take 1.5 times as long (`docs/benchmarks.md`). A short spin avoids both.
    It is not set if the user has set `OMP_WAIT_POLICY`.

    `PYTORCH_ENABLE_MPS_FALLBACK` lets the CPU do the operations that MPS does not support.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")
