"""Records of what is compared: trainings that share data, plan and budget."""

from dataclasses import dataclass

PROMISE = "promise"
"""Name of the row with ProMISe as published."""
WITHOUT_CLICKS, LAST_WITHOUT_CLICKS = "dynunet", "dynunet_last"
"""Names of the rows of the network without clicks, which segments whole scans: the epoch that validation chose, and the
last one."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One training of a matrix."""

    name: str
    what: str
    """Description in the tables."""
    options: tuple[str, ...]
    """Options of promise-train in addition to those of the matrix."""
    pretrained: bool = False
    """Whether training starts from the file of weights that the call names."""
    clicks: bool = True
    """Whether the network takes clicks."""
    runs_at: str | None = None
    """Last commit that can train this row, if one of its options was removed since; None: this version can."""

    @property
    def network(self) -> str | None:
        """Name of the network in the options. None means ProMISe."""
        if "--network" not in self.options:
            return None
        return self.options[self.options.index("--network") + 1]

    @property
    def without_clicks(self) -> str:
        """Name of the row without clicks that predicts with the same epoch as this row: the best or the last."""
        return LAST_WITHOUT_CLICKS if "predict_with=final" in self.options else WITHOUT_CLICKS

    @property
    def identity(self) -> tuple[str, ...]:
        """Options that say which run is meant. When a run is resumed, no other options of the row may be given."""
        if self.network is None:
            return ()
        clicks = "--clicks-as-channel"
        return ("--network", self.network, *((clicks,) if clicks in self.options else ()))


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """Rows that share data, plan and budget."""

    name: str
    dataset: str
    preprocess: tuple[str, ...]
    """Options of promise-preprocess for the dataset."""
    plan: dict[str, object]
    """Fields of plans.json that are set by hand."""
    train: tuple[str, ...]
    """Options of promise-train that all rows share, such as the budget."""
    rows: tuple[Row, ...]
    reference: str = PROMISE
    """Name of the row that all others are tested against. By default the published ProMISe."""
    fold: int = 0
    """Number of the fold whose cases all rows are trained on and scored with."""
    other_folds: tuple[str, ...] = ()
    """Matrices of the same rows on other test cases."""
    tolerances_mm: tuple[float, ...] = (5.0,)
    """Tolerances of NSD in mm."""
    pairs: tuple[tuple[str, str], ...] = ()
    """Pairs of rows that are tested against each other."""
    studied: tuple[str, ...] = ()
    """Rows whose clicks are varied in number, place and seed, and whose masks are corrected by clicks."""
    corrected: tuple[str, ...] = ()
    """Further rows whose masks are corrected by clicks."""
    click_seed: int = 0
