"""Pair the images and labels in a dataset's folder, and say what is wrong where one of them is missing."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promise_cli.dataset.channels import (
    existing,
    first_channel,
    refuse_second_channel,
    take_channels,
)
from promise_cli.errors import DatasetError, shorten, shown
from promise_cli.volume import (
    FORMATS,
    SUFFIXES,
    case_id,
    channel_files,
    find_volumes,
    is_dicom_folder,
    name_hint,
)

MOST_HINTS = 100
"""Number of images without label for which a label of a similar name is looked for, since each search takes long."""


@dataclass(frozen=True)
class CaseFiles:
    """One scan with its label."""

    case_id: str
    image: Path
    """A file, or a folder of DICOM slices. It holds the first channel, or all channels."""
    label: Path
    further: tuple[Path, ...] = ()
    """Files or folders of the channels after the first, in their order; empty if `image` holds all channels."""

    @property
    def images(self) -> tuple[Path, ...]:
        """All files or folders of the scan, in the order of its channels."""
        return (self.image, *self.further)


def find_cases(
    folder: Path, content: dict[str, Any], *, num_channels: int = 1
) -> tuple[tuple[CaseFiles, ...], dict[str, str]]:
    """Pair images with labels.

    Whether a scan has all its channels is seen only when it is read, because one file may hold all of them.

    Args:
        folder: Folder of the dataset.
        content: Content of dataset.json. The files are listed in `training` (MSD) or `dataset` (nnU-Net). Without
            these fields, they are found by their names.
        num_channels: Number of channels that dataset.json declares.

    Returns:
        The cases whose image and label exist, sorted by case id; and case id -> what is wrong for all others.

    Raises:
        DatasetError: No case is listed or found, or dataset.json or a file name is not as expected.
    """
    if "training" in content:
        listed = _listed(folder, content["training"], num_channels)
    elif "dataset" in content:
        listed = _listed_by_nnunet(folder, content["dataset"], num_channels)
    else:
        return _found(folder, content, num_channels)
    cases: dict[str, CaseFiles] = {}
    broken: dict[str, str] = {}
    path = folder / "dataset.json"
    for files in listed:
        case = files.case_id
        _check_name(case, files.image)
        if case in cases:
            broken[case] = f"{path}: case {case} is listed twice in training; list it once"
        cases[case] = files
    if not cases:
        raise DatasetError(f"{path}: lists no case in training or dataset; list at least one")
    for case, files in cases.items():
        if (problem := _fault(files)) is not None:
            broken.setdefault(case, problem)
    broken |= _labels_without_image(folder, cases)
    return _sorted(cases, broken), dict(sorted(broken.items()))


def _check_name(case: str, image: Path) -> None:
    """Refuse a case id that cannot be the name of a folder, since the keys of nnU-Net's list may be any text."""
    if case in ("", ".", ".."):
        raise DatasetError(f"{shorten(str(image))}: no name is left for the case; rename the file")
    if case.startswith(".") or Path(case).name != case or not case.isprintable():
        raise DatasetError(
            f"{shorten(str(image))}: {shown(case)} cannot be the name of a case; rename it"
        )


def _listed(folder: Path, training: Any, num_channels: int) -> Iterator[CaseFiles]:
    """Yield the cases of MSD's list of images and labels, without the `._*` files of macOS that some lists hold."""
    path = folder / "dataset.json"
    if not isinstance(training, list):
        raise DatasetError(f"{path}: training is not a list of images and labels; correct it")
    for entry in training:
        if not isinstance(entry, dict) or not {"image", "label"} <= set(entry):
            raise DatasetError(
                f"{path}: training entry {shown(entry)} has no image or no label; add it"
            )
        listed, label = (existing(_below(folder, entry[key])) for key in ("image", "label"))
        image = listed if listed.exists() else first_channel(listed)
        if image != listed and num_channels == 1:
            refuse_second_channel(image)
        further = channel_files(image)[1:] if num_channels > 1 else ()
        if not image.name.startswith("._"):
            yield CaseFiles(case_id(image), image, label, further)


def _below(folder: Path, name: Any) -> Path:
    """Return the path of a listed file; Windows writes its name with backslashes.

    Raises:
        DatasetError: No file can have this name.
    """
    path = folder / str(name)
    try:
        return path if path.exists() else folder / str(name).replace("\\", "/")
    except OSError as error:
        raise DatasetError(
            f"{folder / 'dataset.json'}: lists {str(name)[:80]!r}..., which cannot be a file ({error.strerror});"
            " correct it"
        ) from None


def _listed_by_nnunet(folder: Path, listed: Any, num_channels: int) -> Iterator[CaseFiles]:
    """Yield the cases of nnU-Net's list, {case: {images: [...], label: ...}}."""
    path = folder / "dataset.json"
    if not isinstance(listed, dict):
        raise DatasetError(f"{path}: dataset is not an object of cases; correct it")
    for case, entry in listed.items():
        if not isinstance(entry, dict) or not {"images", "label"} <= set(entry):
            raise DatasetError(f"{path}: case {case} has no images or no label; add them")
        images = entry["images"]
        if not isinstance(images, list) or not images or (num_channels == 1 and len(images) != 1):
            count = len(images) if isinstance(images, list) else "no list of"
            few = "one channel is declared" if num_channels == 1 else "a scan needs some"
            raise DatasetError(
                f"{path}: case {case} has {count} images, but {few}; list one image per"
                f" {'case' if num_channels == 1 else 'channel'}"
            )
        first, *further = (_below(folder, image) for image in images)
        yield CaseFiles(case, first, _below(folder, entry["label"]), tuple(further))


def _found(
    folder: Path, content: dict[str, Any], num_channels: int
) -> tuple[tuple[CaseFiles, ...], dict[str, str]]:
    """Pair images and labels by the names of their files in imagesTr and labelsTr, as nnU-Net does.

    The result and the errors are those of `find_cases`.
    """
    for part in ("imagesTr", "labelsTr"):
        if not (folder / part).is_dir():
            raise DatasetError(f"{folder / part}: no such folder")
    ending = _file_ending(folder, content)
    images, labels = (
        _ending_in(ending, find_volumes(folder / part)) for part in ("imagesTr", "labelsTr")
    )
    for case, image in images.items():
        _check_name(case, image)
    further = take_channels(images, labels, num_channels)
    if not images:
        raise DatasetError(
            f"{folder / 'imagesTr'}: no scan{f' ending in {ending}' if ending else ''}; scans end in {FORMATS}"
        )
    cases, broken = {}, {}
    unpaired = {name: path for name, path in labels.items() if name not in images}
    for case, image in images.items():
        if case in labels:
            cases[case] = CaseFiles(case, image, labels[case], further.get(case, ()))
            if (problem := _fault(cases[case])) is not None:
                broken[case] = problem
        else:
            others = unpaired if len(broken) < MOST_HINTS else {}
            advice = name_hint(case, others) or f"add labelsTr/{_label_name(image)} or remove it"
            broken[case] = f"{image}: image without label; {advice}"
    broken |= _labels_without_image(folder, cases)
    return _sorted(cases, broken), dict(sorted(broken.items()))


def _file_ending(folder: Path, content: dict[str, Any]) -> str:
    """Return the ending of the files that dataset.json gives, in lower case; an empty string if it gives none.

    Raises:
        DatasetError: Files with this ending cannot be read.
    """
    ending = content.get("file_ending", "")
    if not isinstance(ending, str) or (ending and ending.lower() not in SUFFIXES):
        raise DatasetError(
            f"{folder / 'dataset.json'}: file_ending {shown(ending)} is not supported; scans end in {FORMATS}"
        )
    return ending.lower()


def _ending_in(ending: str, found: dict[str, Path]) -> dict[str, Path]:
    """Keep folders, and the files with this ending.

    nnU-Net does not count files with another ending as part of the dataset either.
    """
    return {
        case: path
        for case, path in found.items()
        if path.is_dir() or path.name.lower().endswith(ending)
    }


def _label_name(image: Path) -> str:
    """Return the expected file name of an image's label."""
    suffix = next((end for end in SUFFIXES if image.name.lower().endswith(end)), ".nii.gz")
    return image.name if image.is_file() and "_0000" not in image.name else case_id(image) + suffix


def _fault(files: CaseFiles) -> str | None:
    """Return what is wrong with the image or label of a listed case, such as a missing file; None if nothing is."""
    for channel in files.further:
        if not channel.exists():
            return f"{channel}: no such image, but dataset.json lists it as a channel; add the image or remove the case"
    if not files.image.exists():
        return (
            f"{files.image}: no such image, but {files.label.name} is listed as its label; add the image or"
            " remove the case from dataset.json"
        )
    if files.image.is_dir() and not is_dicom_folder(files.image):
        return (
            f"{files.image}: no DICOM slices in this folder; give a scan file or a folder of slices"
        )
    if files.image.exists() and not files.image.is_file() and not files.image.is_dir():
        return f"{files.image}: a pipe or a device, but it is listed as an image; name a file"
    if files.label.exists() and not files.label.is_file():
        what = "folder" if files.label.is_dir() else "pipe or device"
        return (
            f"{files.label}: a {what}; a label is one file, such as {case_id(files.label)}.nii.gz"
        )
    if not files.label.exists():
        return (
            f"{files.label}: no such label for image {files.image.name}; add the label or remove the case"
            " from dataset.json"
        )
    return None


def _labels_without_image(folder: Path, cases: dict[str, CaseFiles]) -> dict[str, str]:
    labels = folder / "labelsTr"
    listed = {files.label.name for files in cases.values()}
    return {
        case: f"{label}: label without image; add imagesTr/{label.name} or remove the label"
        for case, label in (find_volumes(labels) if labels.is_dir() else {}).items()
        if label.name not in listed
        and case not in cases
        and not existing(folder / "imagesTr" / label.name).exists()
        and not first_channel(folder / "imagesTr" / label.name).exists()
    }


def _sorted(cases: dict[str, CaseFiles], broken: dict[str, str]) -> tuple[CaseFiles, ...]:
    return tuple(cases[case] for case in sorted(cases) if case not in broken)
