"""What is compared: trainings that share data, plan and budget."""

from dataclasses import dataclass

PROMISE = "promise"
"""The row of the network itself."""
WITHOUT_CLICKS, LAST_WITHOUT_CLICKS = "dynunet", "dynunet_last"
"""Rows of the network that looks at whole scans: of the epoch that validation chose, and of the last."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One training."""

    name: str
    what: str
    """In the table."""
    options: tuple[str, ...]
    """Of promise-train, beyond the matrix's own."""
    pretrained: bool = False
    """Start from the file of weights that the call names."""
    clicks: bool = True
    """Whether the network takes clicks."""
    runs_at: str | None = None
    """The last commit that can train this row, where one of its options was removed since; None: this version can."""

    @property
    def network(self) -> str | None:
        """Which one the options name; None for ProMISe."""
        if "--network" not in self.options:
            return None
        return self.options[self.options.index("--network") + 1]

    @property
    def without_clicks(self) -> str:
        """The row of the network that looks at whole scans, of the same epoch as this one: the best or the last."""
        return LAST_WITHOUT_CLICKS if "predict_with=final" in self.options else WITHOUT_CLICKS

    @property
    def identity(self) -> tuple[str, ...]:
        """The options that say which run is meant; of one that is there already, no other may be given."""
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
    """Options of promise-preprocess."""
    plan: dict[str, object]
    """Fields of plans.json that are set by hand."""
    train: tuple[str, ...]
    """Options of promise-train that all rows share: the budget."""
    rows: tuple[Row, ...]
    reference: str = PROMISE
    """The row that all others are tested against; the first."""
    fold: int = 0
    """Whose cases all rows are trained on and scored with."""
    other_folds: tuple[str, ...] = ()
    """Matrices of the same rows on other test cases."""
    tolerances_mm: tuple[float, ...] = (5.0,)
    """Of NSD."""
    pairs: tuple[tuple[str, str], ...] = ()
    """Rows that are tested against one another."""
    studied: tuple[str, ...] = ()
    """Rows whose clicks are varied in number, place and seed, and corrected."""
    corrected: tuple[str, ...] = ()
    """Further rows whose masks are corrected by clicks."""
    click_seed: int = 0
