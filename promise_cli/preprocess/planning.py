"""Apply the options of promise-preprocess that change the plan, and show whether targets fit into its window."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from promise_cli.console import counted, say, warn
from promise_cli.dataset.fingerprint import CaseFingerprint, Fingerprint
from promise_cli.dataset.plan import LARGEST_PATCH, CasesFormat, Plan, make_plan
from promise_cli.disk.folder_names import check_name
from promise_cli.disk.plan_names import plan_folder, split_plan
from promise_cli.disk.workspace import Workspace
from promise_cli.errors import PlanError, WorkspaceError, listed
from promise_cli.geometry.grid import Spacing, format_spacing

_AXES = ("LR", "PA", "IS")
"""Letters of each RAS axis, in either direction."""


@dataclass(frozen=True)
class Wanted:
    """What a call asks of the plan; None leaves a choice to the paper, or to a plan that exists."""

    spacing: Spacing | None = None
    patch_size: int | None = None
    cases_format: CasesFormat | None = None

    def plan(self, fingerprint: Fingerprint) -> Plan:
        """Make a plan with the wanted sizes.

        Raises:
            PlanError: A size is impossible.
        """
        asked = {name: value for name, value in vars(self).items() if value is not None}
        try:
            return dataclasses.replace(make_plan(fingerprint), **asked)
        except ValueError as error:
            option = "--spacing" if str(error).startswith("spacing") else "--patch-size"
            raise PlanError(f"{option}: {error}") from None

    def applied(self, kept: Plan | None, path: Path) -> Plan | None:
        """Return an existing plan with the wanted patch, which needs no new cases, and format of cases.

        Raises:
            PlanError: The plan has another spacing, or the patch is impossible.
        """
        if kept is None:
            return None
        if self.spacing is not None and self.spacing != kept.spacing:
            raise PlanError(
                f"{path}: planned with a spacing of {format_spacing(kept.spacing)}, asked for"
                f" {format_spacing(self.spacing)}; add --plan NAME to make a further plan next to it, or --overwrite to"
                " plan anew"
            )
        if self.cases_format is not None:
            kept = dataclasses.replace(kept, cases_format=self.cases_format)
        if self.patch_size is None or self.patch_size == kept.patch_size:
            return kept
        try:
            return dataclasses.replace(kept, patch_size=self.patch_size)
        except ValueError as error:
            raise PlanError(f"--patch-size: {error}") from None


@dataclass(frozen=True)
class Place:
    """Where a dataset lies, and where its plan and cases go."""

    raw: Path
    """Folder of the dataset."""
    folder: Path
    """Folder of the preprocessed cases of this plan."""
    default: Path
    """Folder of the plan without a name, from which other plans take their folds."""

    def splits(self, given: Path | None) -> Path | None:
        """Return the file of folds to start with: that of the call, or that of the plan without a name."""
        own, shared = self.folder / "splits.json", self.default / "splits.json"
        inherits = given is None and self.folder != self.default and not own.exists()
        return shared if inherits and shared.exists() else given


def find_place(workspace: Workspace, task: str, plan: str | None) -> Place:
    """Find the dataset of a call, and the folder of its plan.

    Args:
        workspace: The workspace.
        task: The dataset, or the dataset and a plan as in `Task07_Pancreas@fine`.
        plan: Name of the plan; None for the one without a name.

    Raises:
        WorkspaceError: No dataset fits, several do, or the plan's name is impossible.
    """
    try:
        raw = workspace.find_raw_dataset(task)
    except WorkspaceError:
        base, named = split_plan(task)
        if named is None or plan not in (None, named):
            raise
        raw, plan = workspace.find_raw_dataset(base), named
    name = raw.resolve().name
    if plan is not None:
        check_name(plan, "--plan")
    default = workspace.preprocessed / name
    return Place(raw, default.with_name(plan_folder(name, plan)), default)


def show_fit(plan: Plan, fingerprint: Fingerprint) -> None:
    """Show the window in mm, and how many lesions and targets fit into it.

    If a lesion does not fit, a warning names the spacing and the patch with which all would. Cases that were measured
    by earlier versions have no extents and are left out.
    """
    window = tuple(plan.patch_size * mm for mm in plan.spacing)
    lesions = {case.case_id: _in_plan(case, case.lesion_mm, plan) for case in fingerprint.cases}
    targets = {case.case_id: _in_plan(case, case.target_mm, plan) for case in fingerprint.cases}
    known = {case: size for case, size in lesions.items() if size is not None}
    wide = {case: size for case, size in known.items() if _excess(size, window) > 1}
    whole = sum(size is not None and _excess(size, window) <= 1 for size in targets.values())
    if not known:
        say(f"window: {format_spacing(window)}")
        return
    number = len(known)
    # With objects, the extents of a target are the longest ones over its objects.
    what = "every object as a whole" if plan.objects else "the whole target"
    say(
        f"window: {format_spacing(window)}; it holds every lesion in {number - len(wide)} of {counted(number, 'case')},"
        f" and {what} in {whole}"
    )
    if not wide:
        return
    worst = max(wide, key=lambda case: _excess(wide[case], window))
    factor = _excess(wide[worst], window)
    spacing = " ".join(f"{math.ceil(round(mm * factor * 10, 6)) / 10:g}" for mm in plan.spacing)
    edge = math.ceil(round(plan.patch_size * factor / 4, 6)) * 4
    patch = f", or --patch-size {edge}" if edge <= LARGEST_PATCH else ""
    warn(
        f"{counted(len(wide), 'case', 'have')} a lesion that is larger than the window, such as"
        f" {listed(sorted(wide), 3)}; the largest is {format_spacing(wide[worst])}. --plan NAME --spacing {spacing}"
        f"{patch} would hold all of them"
    )


def _excess(size: Spacing, window: Sequence[float]) -> float:
    """Return how many times larger than the window a box is along its worst axis."""
    return max(mm / edge for mm, edge in zip(size, window, strict=True))


def _in_plan(case: CaseFingerprint, size: Spacing | None, plan: Plan) -> Spacing | None:
    """Return edges along the axes of the plan, which were measured along those of the file."""
    if size is None or plan.orientation == "as_stored":
        return size
    i, j, k = (
        next(mm for mm, letter in zip(size, case.axes, strict=True) if letter in letters)
        for letters in _AXES
    )
    return i, j, k
