"""Messages of promise-train about a run, before its first step."""

import math
from pathlib import Path

from promise_cli.console import counted, log_only, say, track, warn
from promise_cli.dataset.changed import changed_files
from promise_cli.dataset.fingerprint import CaseFingerprint, Fingerprint
from promise_cli.dataset.plan import Plan, describe_target
from promise_cli.disk.records import load_record
from promise_cli.disk.workspace import ALL
from promise_cli.errors import MOST_LISTED, PlanError, listed
from promise_cli.network.registry import describe_network, takes_clicks
from promise_cli.train.run import Run
from promise_cli.train.run_files import PRINTED


def introduce(run: Run, dataset: str) -> None:
    """Print the dataset, the network, the settings and the test cases of a run."""
    parameters = list(run.model.parameters())
    trained = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
    total = sum(parameter.numel() for parameter in parameters)
    say(
        f"dataset: {dataset}, fold {run.fold}: {len(run.split.train)} training and"
        f" {counted(len(run.split.val), 'validation case')}, {describe_target(run.plan)}"
    )
    say(
        f"network: {describe_network(run.network, run.model.config)}, preset {run.preset}, weights"
        f" {run.encoder_weights if run.started_from is None else f'from {run.started_from.path}'};"
        f" {trained:,} of {total:,} parameters are trained"
    )
    at_step = f" from step {run.step + 1}" if run.step else ""
    say(
        f"run: {run.folder}, epochs {run.epoch + 1}{at_step} to {run.config.epochs}, patch {run.plan.patch_size}^3,"
        f" {counted(run.samples_per_step, 'sample')} per step, device {run.device} in {run.precision}, seed {run.seed},"
        f" validation every {run.config.validate_every} epochs"
    )
    _show_test_cases(run)


def _show_test_cases(run: Run) -> None:
    """Print the test cases of the fold. If there are many, the screen gets their number and train.log gets all."""
    test = run.split.test
    if run.fold == ALL:
        say("test cases: none, since fold all trains on every case")
        return
    names = ", ".join(test) or "none"
    if len(test) <= MOST_LISTED:
        say(f"test cases: {len(test)} ({names})")
        return
    say(f"test cases: {len(test)} ({listed(test, 3)}); {run.folder / PRINTED} lists all of them")
    log_only(f"all test cases: {names}")


def warn_of_large_targets(run: Run, preprocessed: Path) -> None:
    """Warn if the target of a case is larger than a window, because one window can never hold all of it.

    Networks without clicks look at the whole scan, so they get no warning.
    """
    path = preprocessed / "fingerprint.json"
    if not takes_clicks(run.model.config) or not path.exists():
        return
    edge = run.plan.patch_size
    window_ml = edge**3 * math.prod(run.plan.spacing) / 1000
    try:
        cases = load_record(Fingerprint, path).cases
    except PlanError:  # the fingerprint is needed only for this warning
        return
    larger = [case.case_id for case in cases if _largest_ml(case, run.plan) > window_ml]
    if larger:
        warn(
            f"in {len(larger)} of {len(cases)} cases, such as {larger[0]}, the target is larger than the window of"
            f" {edge}^3 voxels ({window_ml:.0f} ml); one window can never hold all of it"
        )


def _largest_ml(case: CaseFingerprint, plan: Plan) -> float:
    """Return the volume of a case's target in ml, or that of its largest object."""
    if not plan.objects:
        return case.target_ml
    counts = {int(value): number for value, number in case.label_voxels.items()}
    whole = sum(counts.get(value, 0) for value in plan.labels)
    largest = max(sum(counts.get(value, 0) for value in one.values) for one in plan.objects)
    return case.target_ml * largest / max(1, whole)


def warn_of_changed_files(run: Run, preprocessed: Path, root: Path) -> None:
    """Warn if scans or labels were replaced after they were preprocessed, because the network learns the earlier ones.

    Args:
        run: The run, whose cases are checked.
        preprocessed: Folder of the preprocessed dataset.
        root: Folder of the workspace.
    """
    split = run.split
    cases = [*split.train, *split.val, *split.test]
    found = changed_files(preprocessed, root, track(cases, "checking scans", len(cases)))
    if found:
        others = f", as were files of {counted(len(found) - 1, 'more case')}" if found[1:] else ""
        warn(
            f"{found[0].path}: was changed after case {found[0].case_id} was preprocessed{others}; this run uses the"
            f" earlier content, so run promise-preprocess {preprocessed.name} again and train anew with --overwrite"
        )
