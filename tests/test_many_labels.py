"""report.html with many labels of long names and a comparison can be read on a screen of 1300 pixels."""

import itertools
import json

import numpy as np
import pytest

from promise_cli.evaluate import pictures
from promise_cli.evaluate.command import evaluate
from tests.chromium import needs_chromium, opened
from tests.conftest import write_nifti

NUM_LABELS = 13
CASES = ("a_rather_long_name_of_a_case_001", "a_rather_long_name_of_a_case_002", "c")


def volume(shift):
    array = np.zeros((NUM_LABELS * 6 + 8, 14, 12), dtype=np.uint8)
    for label in range(1, NUM_LABELS + 1):
        start = 6 * label - 4 + shift
        array[start : start + 4, 4:9, 4:9] = label
    return array


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("many")
    names = {str(n): f"inferior vena cava and portal vein {n}" for n in range(1, NUM_LABELS + 1)}
    for number, case in enumerate(CASES):
        write_nifti(root / "labels" / f"{case}.nii.gz", volume(1), np.eye(4))
        write_nifti(root / "masks" / f"{case}.nii.gz", volume(number), np.eye(4))
        write_nifti(root / "other" / f"{case}.nii.gz", volume(2 - number // 2), np.eye(4))
    (root / "labels" / "dataset.json").write_text(json.dumps({"labels": names}))
    return root


@pytest.fixture(scope="module")
def page(folders):
    evaluate(
        folders / "masks",
        folders / "labels",
        tolerances_mm=(0.25, 5.0),
        metrics=["hd95", "volume_difference"],
        compare_with=folders / "other",
        workers=0,
    )
    return folders / "masks" / "report.html"


def boxes_of(driver, elements):
    return driver.execute_script(
        "return arguments[0].map((one) => { const box = one.getBoundingClientRect();"
        " return [box.left, box.top, box.right, box.bottom]; })",
        elements,
    )


def test_tolerances_are_shown_as_the_user_gave_them(page):
    text = page.read_text()
    assert "NSD at\n0.25, 5 mm" in text
    assert "<button>NSD 0.25 mm</button>" in text


def test_every_label_is_pictured_once_before_any_is_pictured_twice(folders, monkeypatch, tmp_path):
    monkeypatch.setattr(pictures, "MOST_PICTURED", NUM_LABELS)
    evaluate(folders / "masks", folders / "labels", output=tmp_path, workers=0)
    text = (tmp_path / "report.html").read_text()
    assert "Every label has a picture before any has two." in text
    assert "No slices are shown of" not in text
    assert text.count("<figure>") == 3 * NUM_LABELS


def test_every_case_and_label_has_a_picture_if_they_are_not_too_many(page):
    text = page.read_text()
    assert text.count("<figure>") == 3 * text.count('class="card') == 3 * len(CASES) * NUM_LABELS


def test_labels_that_are_not_pictured_are_named(folders, monkeypatch, tmp_path):
    monkeypatch.setattr(pictures, "MOST_PICTURED", 12)
    evaluate(folders / "masks", folders / "labels", output=tmp_path, workers=0)
    text = (tmp_path / "report.html").read_text()
    assert "No slices are shown of inferior vena cava and portal vein 13." in text


def test_with_one_label_the_page_does_not_explain_the_order_of_labels(tmp_path):
    for folder in ("masks", "labels"):
        write_nifti(tmp_path / folder / "a.nii.gz", (volume(0) == 1).astype(np.uint8), np.eye(4))
    evaluate(tmp_path / "masks", tmp_path / "labels", workers=0)
    text = (tmp_path / "masks" / "report.html").read_text()
    assert "The lowest Dice comes first. Slices are those in which" in text
    assert "Every label has a picture" not in text


@needs_chromium
def test_names_of_many_labels_do_not_overlap_in_their_chart(page, tmp_path):
    with opened(page, tmp_path) as driver:
        chart = driver.find_element("css selector", "svg.chart")
        texts = chart.find_elements("css selector", "text.name")
        assert len({text.text for text in texts}) == NUM_LABELS
        assert texts[0].find_element("tag name", "title").get_attribute("textContent") == (
            "inferior vena cava and portal vein 1"
        )
        frame, *names = boxes_of(driver, [chart, *texts])
        plot = min(box[0] for box in boxes_of(driver, chart.find_elements("class name", "grid")))
        for above, below in itertools.pairwise(names):
            assert above[3] <= below[1]
        for name in names:
            assert frame[0] <= name[0]
            assert name[2] <= plot
        assert len(chart.find_elements("css selector", "rect.box")) == NUM_LABELS


@needs_chromium
def test_the_comparison_fits_into_the_page(page, tmp_path):
    with opened(page, tmp_path) as driver:
        place = driver.find_element("css selector", "#comparison .scroll")
        width, shown = driver.execute_script(
            "return [arguments[0].scrollWidth, arguments[0].clientWidth]", place
        )
        assert width <= shown
        heads = [head.text for head in place.find_elements("tag name", "th")]
        assert heads[-2:] == ["method", "dz"]
        assert "Volume difference" in place.text
