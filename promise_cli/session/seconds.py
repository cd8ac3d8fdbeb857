"""Where the time of a case went."""

from dataclasses import dataclass


@dataclass
class Seconds:
    """By stage."""

    read: float = 0.0
    resample: float = 0.0
    network: float = 0.0
    write: float = 0.0
