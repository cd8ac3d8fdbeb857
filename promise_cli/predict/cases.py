"""The steps of promise-predict for one case: read the scan, segment it, write the mask and check it."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from promise_cli.dataset.fingerprint import hash_files
from promise_cli.dataset.objects import mask_values_of
from promise_cli.dataset.questions import question_scan
from promise_cli.errors import PromptError, VolumeError
from promise_cli.geometry.box import bounding_box
from promise_cli.jobs import free_memory
from promise_cli.predict.inputs import Inputs, mask_name
from promise_cli.predict.output import probabilities_name
from promise_cli.predict.predict_request import PredictRequest
from promise_cli.predict.predictions_file import RecordFile, remove_replaced
from promise_cli.predictions.record import (
    ClickRecord,
    LesionRecord,
    PredictedCase,
    SecondsRecord,
    describe_click,
)
from promise_cli.prompts import FOREGROUND, ONE_LESION, Click, Lesion, lesions
from promise_cli.session.objects import merge_objects
from promise_cli.session.prediction import Prediction
from promise_cli.volume import (
    Volume,
    read_label,
    read_scan,
    write_mask,
    write_probabilities,
)

if TYPE_CHECKING:
    from promise_cli.report import SlicePicture
    from promise_cli.session.predictor import Predictor
    from promise_cli.session.session import Session

MEMORY_MARGIN = 2.0
"""Free memory that is required to read the next scan ahead, as a multiple of that scan's size."""


@dataclass(frozen=True, eq=False)
class Found:
    """Result of the networks for one case. It no longer holds the scan's voxels."""

    like: Volume
    """The scan without its voxels; the mask is written on its grid."""
    mask: NDArray[np.uint8]
    """Mask with the lesions' values, (I, J, K), on the scan's grid."""
    predictions: dict[Lesion, Prediction]
    clicks: tuple[ClickRecord, ...]
    seconds: SecondsRecord
    pictures: "tuple[SlicePicture, ...] | None"
    """Slices for report.html. None if no page is wanted, or if the slices are drawn later from the files."""


class CaseWork:
    """The three steps of each case: `read`, `segment` and `write`."""

    def __init__(
        self,
        request: PredictRequest,
        predictor: "Predictor",
        inputs: Inputs,
        keys: Mapping[str, str],
        record: RecordFile,
        replaced: Mapping[str, PredictedCase],
    ) -> None:
        """Keep what all cases share. `keys` and `replaced` hold new keys and earlier records, by case id."""
        self.replaced = replaced
        self.request, self.predictor, self.inputs = request, predictor, inputs
        self.keys, self.record, self.folder = keys, record, record.folder
        self.pictures: dict[str, tuple[SlicePicture, ...]] = {}
        self.odd: dict[str, str] = {}
        """Question to the user about a click on air or metal, by case id."""
        self.notes: dict[str, tuple[str, ...]] = {}
        """Oddities in the geometry and the intensities of the scan, by case id."""

    def has_room(self, case: str) -> bool:
        """Whether there is enough free memory to read a case while another one is predicted."""
        grid, plan = self.inputs.grids[case], self.predictor.plan
        spacing = plan.spacing
        voxels = np.prod(grid.shape, dtype=float) * len(plan.channels)
        on_plan = voxels * np.prod(grid.spacing) / np.prod(spacing)
        return bool(4 * (voxels + on_plan) * MEMORY_MARGIN < free_memory())

    def read(self, case: str) -> "Session":
        """Read the scan of a case and make it ready for clicks."""
        from promise_cli.session.predictor import Seconds  # noqa: PLC0415  torch is slow to import

        began = time.monotonic()
        plan = self.predictor.plan
        names = [channel.modality for channel in plan.channels]
        files = self.inputs.files(case)
        scan = read_scan(files, names, plan.orientation, keep_integers=True)
        seconds = Seconds(read=time.monotonic() - began)
        if notes := question_scan(scan, plan):
            self.notes[case] = notes
        return self.predictor.open(
            scan,
            max_windows=self.request.max_windows,
            keep_windows=1 if len(lesions(self.inputs.clicks[case])) < 2 else 2,
            where=f"{self.inputs.where}: case {case}",
            seconds=seconds,
        )

    def segment(self, case: str, session: "Session") -> Found:
        """Segment each lesion of a case, or the whole scan if the case has no click.

        Raises:
            PromptError: All clicks of a lesion lie outside the single window that was asked for.
        """
        clicks, scan = self.inputs.clicks[case], session.scan
        predictions: dict[Lesion, Prediction] = {}
        for lesion, its in lesions(clicks).items():
            predictions[lesion] = session.prompt(its)
            unseen = predictions[lesion].clicks_outside_window
            if unseen == len(its):
                raise PromptError(
                    f"{session.where}: all {unseen} clicks lie outside the single window, which is placed between them;"
                    " leave out --single-window, or give one click"
                )
        if not clicks:
            predictions[ONE_LESION] = session.slide()
        mask = self._merge(predictions, scan)
        records = tuple(
            describe_click(click, scan, mask, self._values_of(click.lesion)) for click in clicks
        )
        self._ask(case, clicks, records, scan)
        pictures = None
        if self.request.report and self.predictor.plan.orientation == "RAS":
            from promise_cli.report import draw_prediction  # noqa: PLC0415  only needed for a page

            channel = scan.channels[self.request.picture_channel - 1]
            pictures = draw_prediction(channel, scan.grid, mask, records)
        spent = session.seconds
        return Found(
            like=scan.without_array(),
            mask=mask,
            predictions=predictions,
            clicks=records,
            seconds=SecondsRecord(
                read=round(spent.read, 3),
                resample=round(spent.resample, 3),
                network=round(spent.network, 3),
                write=0.0,
            ),
            pictures=pictures,
        )

    def write(self, case: str, found: Found) -> PredictedCase:
        """Write and check the mask of a case, write the probabilities if wanted, and add the case to predictions.json.

        Raises:
            VolumeError: The mask that was read back differs from the one that was written.
        """
        began = time.monotonic()
        name = mask_name(case, self.inputs.scans[case], self.request.same_format)
        write_mask(found.mask, found.like, self.folder / name)
        _check_written(found.mask, found.like, self.folder / name)
        probabilities = self._write_probabilities(case, found) if self.request.save_prob else ()
        if found.pictures is not None:
            self.pictures[case] = found.pictures
        counts = np.bincount(found.mask[bounding_box(found.mask)].ravel(), minlength=256)
        voxel_ml = found.like.grid.voxel_ml
        all_windows = [window for of in found.predictions.values() for window in of.windows]
        case_record = PredictedCase(
            case_id=case,
            scan=str(self.inputs.scans[case]),
            mask=name,
            mask_bytes=(self.folder / name).stat().st_size,
            mask_sha256=hash_files([self.folder / name]),
            probabilities=probabilities,
            key=self.keys[case],
            clicks=found.clicks,
            lesions=tuple(
                LesionRecord(
                    value=lesion.value,
                    name=lesion.name,
                    num_voxels=(number := int(counts[list(self._values_of(lesion))].sum())),
                    volume_ml=_millilitres(number, voxel_ml),
                )
                for lesion in found.predictions
            ),
            windows=tuple(window.origin for window in all_windows),
            closed=all(of.closed for of in found.predictions.values()),
            num_voxels=int(counts[1:].sum()),
            volume_ml=_millilitres(counts[1:].sum(), voxel_ml),
            clicks_outside_window=sum(
                of.clicks_outside_window for of in found.predictions.values()
            ),
            seconds=SecondsRecord(
                read=found.seconds.read,
                resample=found.seconds.resample,
                network=found.seconds.network,
                write=round(time.monotonic() - began, 3),
            ),
        )
        networks = self.predictor.networks
        remove_replaced(self.folder, self.replaced.get(case), case_record)
        self.record.add(case_record, device=str(networks.device), precision=networks.precision)
        return case_record

    def _merge(self, predictions: dict[Lesion, Prediction], scan: Volume) -> NDArray[np.uint8]:
        objects = self.predictor.plan.objects
        if not objects or not self.predictor.takes_clicks:
            return merge(predictions, scan)
        return merge_objects(predictions, objects, scan)

    def _values_of(self, lesion: Lesion) -> tuple[int, ...]:
        """Return all values of a lesion's voxels in the mask: several if objects lie within its object."""
        objects = self.predictor.plan.objects
        one = next((one for one in objects if one.name == lesion.name), None)
        return (lesion.value,) if one is None else mask_values_of(one, objects)

    def _write_probabilities(self, case: str, found: Found) -> tuple[str, ...]:
        names = []
        for lesion, prediction in found.predictions.items():
            name = probabilities_name(case, lesion.number)
            whole = np.zeros(found.like.grid.shape, dtype=np.float32)
            whole[prediction.place] = prediction.probabilities
            write_probabilities(whole, found.like, self.folder / name)
            names.append(name)
        return tuple(names)

    def _ask(
        self, case: str, clicks: Sequence[Click], records: Sequence[ClickRecord], scan: Volume
    ) -> None:
        """Note a question to the user about the first foreground click that lies on air or metal."""
        from promise_cli.predict.doubt import doubt_click, tissue_limits  # noqa: PLC0415

        limits = tissue_limits(scan, self.predictor.plan) if clicks else (-math.inf, math.inf)
        for click, record in zip(clicks, records, strict=True):
            if click.sign == FOREGROUND and not limits[0] <= record.intensity <= limits[1]:
                self.odd.setdefault(case, doubt_click(click, record, scan, limits))


def merge(predictions: dict[Lesion, Prediction], scan: Volume) -> NDArray[np.uint8]:
    """Merge the lesions into one mask. A voxel that several lesions claim goes to the most probable one."""
    # The mask has the scan's memory order, in which it is written.
    mask = np.zeros_like(scan.channels[0], dtype=np.uint8)
    surest = np.zeros_like(mask, dtype=np.float32) if len(predictions) > 1 else None
    for lesion, prediction in predictions.items():
        claimed = prediction.probabilities > 0.5
        if surest is not None:
            part = surest[prediction.place]
            claimed &= prediction.probabilities > part
            part[claimed] = prediction.probabilities[claimed]
        mask[prediction.place][claimed] = lesion.value
    return mask


def _check_written(mask: NDArray[np.uint8], like: Volume, path: Path) -> None:
    back = read_label(path, like=like)
    if not back.grid.is_that_of(like.grid) or not np.array_equal(back.array, mask):
        raise VolumeError(
            f"{path}: the mask that was read back differs from the one that was written; check the disk"
        )


def _millilitres(num_voxels: int, voxel_ml: float) -> float:
    return round(int(num_voxels) * voxel_ml, 4)
