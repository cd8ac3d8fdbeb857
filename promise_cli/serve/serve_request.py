"""The options of a call of promise-serve."""

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

from promise_cli.disk.workspace import Fold
from promise_cli.errors import PromptError
from promise_cli.predict.predict_request import PredictRequest
from promise_cli.session.neighbours import MAX_WINDOWS

KEY_VARIABLE = "PROMISE_API_KEY"
PORT = 1527
"""Port on which viewers look for such a server by default."""
SHORTEST_KEY = 8
"""Smallest number of characters of a key."""


@dataclass(frozen=True, kw_only=True)
class ServeRequest:
    """Options of a call of promise-serve.

    Raises:
        PromptError: Other machines could reach the server, but there is no key; or an option has an impossible value.
    """

    images: Path
    """A scan or a folder of scans."""
    output: Path | None = None
    """Folder of saved masks. None stands for `predictions/<name of images>`."""
    run_dir: Path | None = None
    """A checkpoint, a run's folder or a dataset's results. None stands for the only run."""
    folds: tuple[Fold, ...] = ()
    """Folds whose networks are averaged."""
    name: str | None = None
    """Name of the runs. None stands for runs without a name."""
    dataset: str | None = None
    """Dataset whose runs are meant. None stands for all."""
    host: str = "127.0.0.1"
    port: int = PORT
    api_key: str | None = None
    """Key that clients must send. None stands for the value of the environment variable `PROMISE_API_KEY`."""
    allowed_hosts: tuple[str, ...] = ()
    """Further names under which clients reach the server."""
    spacing: tuple[float, float, float] | None = None
    """Spacing in mm along i, j, k of uploaded scans that are not among `images`."""
    minutes: float = 60.0
    """Minutes after which a session that nobody uses ends."""
    certificate: Path | None = None
    """File of the TLS certificate. None stands for plain HTTP."""
    certificate_key: Path | None = None
    """File of the certificate's private key, unless `certificate` holds it."""
    device: str = "auto"
    precision: str = "auto"
    max_windows: int = MAX_WINDOWS
    """Largest number of windows for one lesion."""
    tta: bool = False
    """Whether to average over mirrorings."""
    root: Path | None = None
    """Folder of the workspace."""

    def __post_init__(self) -> None:
        if not self.is_local and self.key is None:
            raise PromptError(
                f"--host {self.host}: other machines could then read the scans; give --api-key KEY, or set"
                f" {KEY_VARIABLE}"
            )
        if self.key is not None and not _is_good_key(self.key):
            raise PromptError(
                f"--api-key: {len(self.key)} characters; give {SHORTEST_KEY} or more plain characters without spaces"
            )
        if self.spacing is not None and not all(0.001 <= edge <= 100 for edge in self.spacing):
            raise PromptError(f"--spacing {self.spacing}: give three lengths in mm, 0.001 to 100")
        if not 0 <= self.port <= 65535:
            raise PromptError(f"--port {self.port}: give a number from 0 to 65535")
        if not self.minutes >= 1:
            raise PromptError(f"--minutes {self.minutes:g}: give 1 or more")
        if self.certificate_key is not None and self.certificate is None:
            raise PromptError("--tls-key: give the certificate with --tls-cert, too")
        for option, path in (("--tls-cert", self.certificate), ("--tls-key", self.certificate_key)):
            if path is not None and not path.is_file():
                raise PromptError(f"{option} {path}: no such file; give a file in PEM format")

    @property
    def key(self) -> str | None:
        """Key that clients must send. None if they need none."""
        return self.api_key or os.environ.get(KEY_VARIABLE) or None

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_loopback(self.host)

    def as_predict_request(self, output: Path, *, overwrite: bool = False) -> PredictRequest:
        """Return the call of promise-predict whose masks are the same as those of this server."""
        return PredictRequest(
            images=self.images,
            output=output,
            run_dir=self.run_dir,
            folds=self.folds,
            name=self.name,
            dataset=self.dataset,
            device=self.device,
            precision=self.precision,
            max_windows=self.max_windows,
            tta=self.tta,
            overwrite=overwrite,
            root=self.root,
        )


def is_loopback(host: str) -> bool:
    """Whether a host is a loopback address, under which no other machine can reach the server."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _is_good_key(key: str) -> bool:
    return len(key) >= SHORTEST_KEY and key.isascii() and key.isprintable() and " " not in key
