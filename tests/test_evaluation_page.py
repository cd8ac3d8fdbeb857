"""report.html of promise-evaluate works as a person uses it: offline, sorting, searching and opening a case."""

import io
import json
import math
import re
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.image import imread

from promise_cli.evaluate.command import evaluate
from promise_cli.report import mark_cases
from tests.chromium import needs_chromium, opened
from tests.conftest import affine_of, write_nifti

HOSTILE = "<b onclick=alert(1)>x"
NAMES = {"1": "tumour & <i>oedema</i>", "2": "organ"}


def box(start, size=8):
    array = np.zeros((40, 36, 20), dtype=np.uint8)
    i, j, k = start
    array[i : i + size, j : j + size, k : k + size] = 1
    return array


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Evaluate six cases. In five, the predicted tumour is further away from case to case; the sixth is empty."""
    root = tmp_path_factory.mktemp("page")
    affine = affine_of("LPS", (1.0, 1.0, 3.0), (0, 0, 0))
    rng = np.random.default_rng(0)
    for number, case in enumerate(["c_10", "c_9", HOSTILE, "c_2", "c_1"]):
        organ = 2 * box((20, 20, 2))
        label, mask = box((6, 6, 4)) + organ, box((6 + 2 * number, 6, 4)) + organ
        scan = rng.normal(0, 20, label.shape) + 400 * (label == 1)
        write_nifti(root / "labelsTr" / f"{case}.nii.gz", label, affine)
        write_nifti(root / "imagesTr" / f"{case}_0000.nii.gz", scan.astype(np.int16), affine)
        write_nifti(root / "masks" / f"{case}.nii.gz", mask, affine)
    for folder in ("labelsTr", "masks"):
        write_nifti(root / folder / "none.nii.gz", np.zeros((40, 36, 20), np.uint8), affine)
    (root / "dataset.json").write_text(json.dumps({"labels": NAMES}))
    evaluate(root / "masks", root, metrics=["hd95"], compare_with=None, workers=0)
    return root / "masks" / "report.html"


def column(driver, number):
    rows = driver.find_elements("css selector", "#case-table tbody tr")
    return [row.find_elements("tag name", "td")[number].text for row in rows if row.is_displayed()]


def test_the_page_is_one_file_that_loads_nothing(page):
    text = page.read_text(encoding="utf-8")
    assert "http" not in re.sub(r"data:image/jpeg;base64,[^\"]+", "", text).replace(
        "http-equiv", ""
    )
    linked = re.findall(r"(?:src|href)=\"(?!data:image/jpeg;base64,|#)([^\"]*)", text)
    assert linked == ["metrics.csv", "metrics.json"]
    assert all((page.parent / name).exists() for name in linked)
    assert HOSTILE not in text
    assert "<i>oedema" not in text


def test_the_title_names_the_masks_and_the_time_is_told_to_the_minute(page):
    text = page.read_text(encoding="utf-8")
    assert (
        re.search(r"<title>Scores of (.*)</title>", text).group(1)
        == f"{page.parents[1].name}: masks"
    )
    assert re.search(r" \d{4}-\d\d-\d\d \d\d:\d\d UTC\.", text)
    assert not re.search(r"\d\dT\d\d:", text)


@needs_chromium
def test_the_page_runs_without_an_error_and_without_a_network(page, tmp_path):
    with opened(page, tmp_path) as driver:
        assert driver.get_log("browser") == []
        asked = driver.execute_script(
            "return performance.getEntriesByType('resource').map((entry) => entry.name)"
        )
        assert [name for name in asked if not name.startswith("data:")] == []
        assert "onclick" in driver.find_element("id", "case-table").text
        assert len(driver.find_elements("css selector", "svg.chart")) == 3
        points = driver.find_elements("css selector", "svg.chart")[0].find_elements(
            "css selector", "circle.case"
        )
        assert len(points) == 10


@needs_chromium
@pytest.mark.slow
def test_a_click_on_a_column_sorts_by_it_and_a_second_click_reverses_the_order(page, tmp_path):
    with opened(page, tmp_path) as driver:
        heads = driver.find_elements("css selector", "#case-table th")
        names = [head.text for head in heads]
        dice = names.index("Dice")
        heads[dice].find_element("tag name", "button").click()
        values = column(driver, dice)
        assert values == [*sorted(values[:-2], key=float), "-", "-"]
        assert float(values[0]) == 0.0
        assert heads[dice].get_attribute("aria-sort") == "ascending"
        heads[dice].find_element("tag name", "button").click()
        values = column(driver, dice)
        assert values == [*sorted(values[:-2], key=float, reverse=True), "-", "-"]
        heads[0].find_element("tag name", "button").click()
        cases = column(driver, 0)
        assert [case for case in cases if case.startswith("c_")][::2] == [
            "c_1",
            "c_2",
            "c_9",
            "c_10",
        ]
        assert heads[dice].get_attribute("aria-sort") is None


@needs_chromium
def test_the_search_shows_only_rows_that_contain_its_words(page, tmp_path):
    with opened(page, tmp_path) as driver:
        field = driver.find_element("css selector", "input[type=search]")
        field.send_keys("c_1 organ")
        assert column(driver, 0) == ["c_1", "c_10"]
        field.clear()
        field.send_keys("nothing of the kind")
        assert column(driver, 0) == []


@needs_chromium
def test_every_case_shows_slices_and_outlines_without_a_click(page, tmp_path):
    with opened(page, tmp_path) as driver:
        assert driver.find_elements("tag name", "details") == []
        link = driver.find_element("link text", "c_1")
        case = driver.find_element("id", link.get_attribute("href").split("#")[1])
        figures = case.find_elements("tag name", "figure")
        assert all(figure.is_displayed() for figure in driver.find_elements("tag name", "figure"))
        captions = [figure.find_element("tag name", "figcaption").text for figure in figures[:3]]
        for caption, start in zip(captions, ("axial", "coronal", "sagittal"), strict=True):
            assert re.match(rf"{start}, slice \d+ of \d+ from ", caption)
        picture = figures[0].find_element("css selector", "svg.slice")
        shown = imread(io.BytesIO(picture.screenshot_as_png))[..., :3]
        for colour in ([1.0, 0.549, 0.102], [0.094, 0.773, 0.851]):
            assert (np.abs(shown - colour).max(axis=-1) < 0.1).sum() > 50
        grey = (np.ptp(shown, axis=-1) < 0.05) & (shown[..., 0] > 0.8)
        assert grey.mean() > 0.005


@needs_chromium
def test_the_worst_case_comes_first_and_a_case_without_a_value_last(page, tmp_path):
    with opened(page, tmp_path) as driver:
        names = [element.text for element in driver.find_elements("css selector", ".case h3")]
        assert names[0] == "c_1: Dice 0.0000"
        assert names[-1] == "none: Dice -"


@needs_chromium
def test_the_gallery_comes_before_the_tables_and_marks_three_cases_per_label(page, tmp_path):
    with opened(page, tmp_path) as driver:
        cards = driver.find_elements("css selector", ".gallery .card")
        assert len(cards) == 10  # five cases hold both labels; the empty one has nothing to show
        first_table = driver.find_element("tag name", "table")
        assert cards[0].location["y"] < first_table.location["y"]
        for mark in ("worst", "median", "best"):
            assert len(driver.find_elements("css selector", f".card .mark.{mark}")) == 2
        worst = next(card for card in cards if "tumour" in card.text and "worst" in card.text)
        assert "c_1\n" in worst.text or worst.text.startswith("c_1 ")
        driver.find_element("css selector", "button[data-sorts=name]").click()
        names = [
            card.get_attribute("data-name")
            for card in driver.find_elements("css selector", ".card")
        ]
        assert [name for name in names if name.startswith("c_")][::2] == [
            "c_1",
            "c_2",
            "c_9",
            "c_10",
        ]


def test_the_scale_bar_has_a_round_length_of_at_most_a_third_of_the_width(page):
    pictures = re.findall(r"<svg class=\"slice\".*?</svg>", page.read_text(), re.DOTALL)
    drawn = [picture for picture in pictures if "<use" not in picture]
    assert len(drawn) == 3 * 10
    for picture in drawn:
        (width,) = re.findall(r'viewBox="0 0 ([\d.]+) ', picture)
        lengths = re.findall(
            r'class="bar[^>]* d="M[\d. ]+h(\d+)"', picture
        )  # the view counts in mm
        (named,) = re.findall(r">(\d+) mm</text>", picture)
        assert lengths == [named, named]  # the bar and its shadow
        assert int(named) <= float(width) / 3 < 2.5 * int(named)


@needs_chromium
def test_the_page_is_dark_if_the_reader_prefers_a_dark_scheme(page, tmp_path):
    with opened(page, tmp_path) as driver:
        found = {}
        for scheme in ("light", "dark"):
            media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
            colours = (
                "const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]"
            )
            found[scheme] = [
                sum(map(int, re.findall(r"\d+", colour)[:3]))
                for colour in driver.execute_script(colours)
            ]
        assert found["light"][0] > 600
        assert found["light"][1] < 200
        assert found["dark"][0] < 200
        assert found["dark"][1] > 600


def score(case_id, dice, label=1):
    return SimpleNamespace(case_id=case_id, label=label, dice=dice)


def test_worst_median_and_best_are_marked_once_and_scores_without_a_value_never():
    cases = [
        score("a", 0.9),
        score("b", 0.1),
        score("c", 0.5),
        score("d", math.nan),
        score("e", 0.4),
    ]
    assert mark_cases(cases) == {"worst": [("b", 1)], "median": [("e", 1)], "best": [("a", 1)]}
    assert mark_cases([score("a", 0.3)]) == {"worst": [("a", 1)], "median": [], "best": []}
    assert mark_cases([score("d", math.nan)]) == {"worst": [], "median": [], "best": []}
