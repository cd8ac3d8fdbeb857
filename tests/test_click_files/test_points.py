"""Our own JSON is read in both forms, mistakes are refused, and the JSON Schema accepts the same files."""

import copy
import importlib.resources
import json
import random
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest

from promise_cli.errors import PromptError
from promise_cli.prompts import BACKGROUND, Click, Lesion, gather_prompts, read_prompts

SCHEMA = json.loads(
    importlib.resources.files("promise_cli.prompts").joinpath("points.schema.json").read_text()
)
FULL: dict[str, Any] = {
    "format": "promise-points",
    "version": 1,
    "space": "voxel",
    "note": "two readers",
    "cases": {
        "a": {"points": [[256, 301, 42]]},
        "b": {
            "space": "LPS",
            "points": [[-12.4, 88.1, -310.0], {"xyz": [-3.0, 80.2, -312.5], "label": 0}],
            "note": "second is background",
        },
        "c": {
            "objects": [
                {"name": "lesion A", "value": 1, "points": [[100, 210, 33]]},
                {
                    "name": "lesion B",
                    "value": 3,
                    "points": [[300, 180, 52], {"xyz": [310, 190, 52], "label": "bg", "note": "x"}],
                },
            ]
        },
        "d": [1, 2, 3],
        "e": [[1, 2, 3], {"xyz": [1, 2, 4], "label": False}],
        "f": {"xyz": [4, 5, 6]},
    },
}


def _write(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "p.json"
    path.write_text(json.dumps(content))
    return path


def test_the_full_form_holds_spaces_background_and_objects(tmp_path: Path) -> None:
    first, second = Lesion(1, "lesion A", 1), Lesion(3, "lesion B", 2)
    assert read_prompts(_write(tmp_path, FULL)) == {
        "a": (Click((256, 301, 42)),),
        "b": (
            Click((-12.4, 88.1, -310), space="LPS"),
            Click((-3, 80.2, -312.5), BACKGROUND, "LPS"),
        ),
        "c": (
            Click((100, 210, 33), lesion=first),
            Click((300, 180, 52), lesion=second),
            Click((310, 190, 52), BACKGROUND, lesion=second),
        ),
        "d": (Click((1, 2, 3)),),
        "e": (Click((1, 2, 3)), Click((1, 2, 4), BACKGROUND)),
        "f": (Click((4, 5, 6)),),
    }


def test_a_case_may_refer_to_a_file_of_another_tool(tmp_path: Path) -> None:
    (tmp_path / "F.mrk.json").write_text(
        '{"@schema": "x", "markups": [{"type": "Fiducial", "controlPoints": [{"position": [1, 2, 3]}]}]}'
    )
    content = {"format": "promise-points", "version": 1, "cases": {"a": {"file": "F.mrk.json"}}}
    assert read_prompts(_write(tmp_path, content)) == {"a": (Click((1, 2, 3), space="LPS"),)}
    content["cases"] = {"a": {"file": "none.fcsv"}, "b": {"file": "p.json"}, "c": [1, 2, 3]}
    gathered = gather_prompts(_write(tmp_path, content))
    assert list(gathered.clicks) == ["c"]
    assert "none.fcsv: not readable (No such file or directory)" in gathered.broken["a"]
    assert "not a click file for a single case; use .mrk.json" in gathered.broken["b"]


def test_a_file_named_with_backslashes_is_found(tmp_path: Path) -> None:
    (tmp_path / "from slicer").mkdir()
    (tmp_path / "from slicer" / "a.fcsv").write_text("# CoordinateSystem = LPS\n1,1,2,3\n")
    case = {"file": "from slicer\\a.fcsv"}
    content = {"format": "promise-points", "version": 1, "cases": {"a": case}}
    assert read_prompts(_write(tmp_path, content)) == {"a": (Click((1, 2, 3), space="LPS"),)}


def test_a_reference_to_a_name_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    case = {"file": "x" * 300 + ".fcsv"}
    content = {"format": "promise-points", "version": 1, "cases": {"a": case}}
    with pytest.raises(PromptError, match=r"not readable \(File name too long\); check the path"):
        read_prompts(_write(tmp_path, content))


def test_the_space_option_completes_a_file_and_must_not_contradict_it(tmp_path: Path) -> None:
    path = _write(tmp_path, {"a": [1, 2, 3]})
    assert read_prompts(path, space="LPS") == {"a": (Click((1, 2, 3), space="LPS"),)}
    with pytest.raises(PromptError, match="says space voxel, but --space says RAS; leave out"):
        read_prompts(_write(tmp_path, FULL), space="RAS")


@pytest.mark.parametrize("further", [{"case": "phantom_001"}, {"space": "voxel", "note": "by me"}])
def test_fields_of_one_case_without_its_name_are_refused_with_an_example(
    tmp_path: Path, further: dict[str, str]
) -> None:
    path = _write(tmp_path, further | {"points": [[81, 65, 11]]})
    with pytest.raises(
        PromptError, match="are fields of a case, but the file must name cases"
    ) as caught:
        read_prompts(path)
    short, full = (
        json.loads(text)
        for text in str(caught.value).partition("; write ")[2].split(", or in full ")
    )
    name = further.get("case", "case_001")
    expected = {name: (Click((256, 301, 42)),)}
    assert read_prompts(_write(tmp_path, short)) == read_prompts(_write(tmp_path, full)) == expected


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("format",), "points", '"format": "promise-points" and "version": 1, found format'),
        (("version",), 2, '"version": 1, found version 2'),
        (("space",), "lps", "unknown space 'lps'; use one of voxel, voxel_zyx, LPS, RAS"),
        (("cases",), {}, "cases must name at least one case, found {}"),
        (("case",), {}, "unknown field 'case'; did you mean 'cases'?"),
        (("cases", "a", "poins"), [1, 2, 3], "case a: unknown field 'poins'; did you mean"),
        (
            ("cases", "a", "objects"),
            [],
            "needs exactly one of points, objects and file, found points and",
        ),
        (("cases", "a"), {}, "case a: needs exactly one of points, objects and file, found none"),
        (
            ("cases", "a", "points"),
            [],
            r"expected a click \[i, j, k\] of three numbers, found \[\]",
        ),
        (("cases", "a"), {"file": ""}, "case a: file must be the name of a file, found ''"),
        (
            ("cases", "a"),
            {"file": "x", "space": "LPS"},
            "has both file and space, but the file names its own",
        ),
        (("cases", "b", "points", 1, "label"), 2, "label must be 1, 0, true, false or one of"),
        (("cases", "b", "points", 0), {"xyz": [1, 2, 3], "label": 0}, "all clicks are background"),
        (("cases", "c", "objects", 1, "value"), 256, "object 2: value must be a whole number from"),
        (("cases", "c", "objects", 0, "name"), 5, "object 1: name must be text, found 5"),
        (("cases", "c", "objects", 0), 5, 'object 1: expected {"value": 1, "points":'),
        (
            ("cases", "c", "objects"),
            {},
            "case c: objects must be a list of at least one object, found {}",
        ),
        (("note",), 5, "note must be text, found 5"),
        (("cases", "a", "points"), [[1, 2, 1e300]], r"of three numbers, found \[1, 2, 1e\+300\]"),
    ],
)
def test_a_mistake_in_the_full_form_is_reported_in_one_line(
    tmp_path: Path, place: tuple[Any, ...], value: object, message: str
) -> None:
    content = copy.deepcopy(FULL)
    parent: Any = content
    for key in place[:-1]:
        parent = parent[key]
    parent[place[-1]] = value
    with pytest.raises(PromptError, match=message) as caught:
        read_prompts(_write(tmp_path, content))
    assert "\n" not in str(caught.value)
    with pytest.raises(fastjsonschema.JsonSchemaException):
        fastjsonschema.compile(SCHEMA)(content)


def test_every_mistaken_case_of_a_file_is_recorded(tmp_path: Path) -> None:
    gathered = gather_prompts(_write(tmp_path, {"a": [1, 2, 3], "b": [1, 2], "a.nii": [4, 5, 6]}))
    assert gathered.clicks == {}
    assert set(gathered.broken) == {"a", "b"}


VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, 2, 1.0, 0.5, 255, 256, -1, 1e12, 1e13, "", "voxel", "LPS", "lps", "bg", "positive",
    "promise-points", [], {}, [1, 2, 3], [1, 2], [1, 2, "3"], [[1, 2, 3]], [[1, 2, 3], [4, 5, 6]],
    {"xyz": [1, 2, 3]}, {"xyz": [1, 2, 3], "label": 0}, {"points": [1, 2, 3]}, [{"xyz": [1, 2, 3], "label": 1}],
    {"objects": [{"points": [1, 2, 3]}]}, {"file": "x.fcsv"}, [{"points": [[1, 2, 3]], "value": 2}],
)  # fmt: skip
KEYS = (
    "format", "version", "space", "cases", "note", "points", "objects", "file", "name", "value", "xyz", "label",
    "markups", "a", "b",
)  # fmt: skip


def _places(node: Any) -> list[Any]:
    """Return all lists and objects of a document, from the outside to the inside."""
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    inner = [place for child in children for place in _places(child)]
    return [node, *inner] if isinstance(node, dict | list) else inner


def change_at_random(content: Any, rng: random.Random) -> None:
    """Add, change, remove or append a random value at a random place of a document."""
    place = rng.choice(_places(content))
    value = copy.deepcopy(rng.choice(VALUES))
    if isinstance(place, list):
        if place and rng.random() < 0.5:
            place[rng.randrange(len(place))] = value
        elif place and rng.random() < 0.5:
            del place[rng.randrange(len(place))]
        else:
            place.append(value)
    elif place and rng.random() < 0.3:
        del place[rng.choice(list(place))]
    else:
        place[rng.choice((*KEYS, *place))] = value


def test_the_schema_accepts_what_the_parser_accepts_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "x.fcsv").write_text("# CoordinateSystem = LPS\n1,1,2,3\n")
    valid = fastjsonschema.compile(SCHEMA)
    rng, counts = random.Random(0), {True: 0, False: 0}
    short = {"a": [1, 2, 3], "b": [[1, 2, 3], {"xyz": [4, 5, 6], "label": "negative"}]}
    for _ in range(3000):
        content = copy.deepcopy(rng.choice((FULL, short)))
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            change_at_random(content, rng)
        try:
            valid(content)
            fits = True
        except fastjsonschema.JsonSchemaException:
            fits = False
        try:
            parsed = not gather_prompts(_write(tmp_path, content)).broken
        except PromptError:
            parsed = False
        if '"@schema"' not in json.dumps(content) and not isinstance(content.get("markups"), list):
            assert fits == parsed, content
            counts[fits] += 1
    assert min(counts.values()) > 300, counts


def test_the_examples_of_the_documentation_are_read_as_they_claim(tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "prompt-file.md"
    blocks: list[str] = []
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("    "):
            blocks[-1] += f"{line[4:]}\n"
        elif not blocks or blocks[-1]:
            blocks.append("")
    short, full, table = (block for block in blocks if block)
    for text in (short, full):
        fastjsonschema.compile(SCHEMA)(json.loads(text))
    (tmp_path / "short.json").write_text(short)
    assert [len(clicks) for clicks in read_prompts(tmp_path / "short.json").values()] == [1, 2]
    (tmp_path / "full.json").write_text(full)
    gathered = gather_prompts(tmp_path / "full.json")
    assert list(gathered.clicks) == ["pancreas_290", "pancreas_321", "colon_008"]
    assert list(gathered.broken) == ["pancreas_330"]  # its own click file does not exist
    (tmp_path / "table.csv").write_text(table)
    assert read_prompts(tmp_path / "table.csv") == {
        "pancreas_290": (Click((256, 301, 42)),),
        "pancreas_321": (Click((-12.4, 88.1, -310), space="LPS"),),
    }


@pytest.mark.parametrize("field", ["points", "objects", "file"])
def test_a_field_of_the_full_form_in_the_short_form_says_how_to_write_it(
    tmp_path: Path, field: str
) -> None:
    path = _write(tmp_path, {"a": {field: []}, "b": [1, 2, 3]})
    gathered = gather_prompts(path)
    assert gathered.clicks.keys() == {"b"}
    assert gathered.broken["a"] == (
        f"{path}: case a: the field {field} needs the full form; write"
        ' {"format": "promise-points", "version": 1, "cases": {...}} around all cases'
    )
