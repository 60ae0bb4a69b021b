"""Tables as people have them: in any dialect the same numbers are read, and what is damaged is one clear line."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from conftest import Refused
from unrolled import registry
from unrolled.config import DataRow, RecordRow
from unrolled.data import record, textfile
from unrolled.errors import UnrolledError

Array = NDArray[Any]
NAMES = ("time", "pump", "level")
DIALECTS = [(",", "."), (";", ","), (";", "."), ("\t", ","), ("\t", "."), ("|", ","), (" ", ".")]


@dataclass(frozen=True)
class Written:
    """Rows of texts with a decimal point, and how they are written."""

    rows: list[list[str]]
    delimiter: str = ","
    decimal: str = "."
    encoding: str = "utf-8"
    names: tuple[str, ...] = ("u °C", "y")
    line_end: str = "\n"
    units: tuple[str, ...] = ()
    comments: int = 0
    trailing: bool = False
    quoted: bool = False
    end: str = "\n"
    values: Array = field(init=False, repr=False, compare=False)

    def text(self) -> str:
        """Return the file's text."""
        mark = '"' if self.quoted else ""
        body = [[f"{mark}{each.replace('.', self.decimal)}{mark}" for each in row] for row in self.rows]
        names = [name.replace(" ", "_") if self.delimiter == " " else name for name in self.names]
        rows = [names, *([list(self.units)] if self.units else []), *body]
        lines = [self.delimiter.join(row) + (self.delimiter if self.trailing else "") for row in rows]
        return self.line_end.join(["# a logger"] * self.comments + lines) + self.end

    def numbers(self) -> Array:
        """Return what is to be read."""
        return np.array([[float(each) for each in row] for row in self.rows])


texts = st.one_of(
    st.decimals(-10_000, 10_000, places=4).map(str),
    st.decimals(-100, 100, places=1).map(str),
    st.integers(-(10**6), 10**6).map(str),
    st.floats(1e-30, 1e30).map(repr),
    st.decimals(1, 999, places=3).map(str),  # as if in thousands
)


@st.composite
def tables(draw: st.DrawFn) -> Written:
    """Draw a table and a dialect."""
    width, (delimiter, decimal) = draw(st.integers(1, 3)), draw(st.sampled_from(DIALECTS))
    rows = draw(st.lists(st.lists(texts, min_size=width, max_size=width), min_size=3, max_size=8))
    return Written(
        rows,
        delimiter,
        decimal,
        draw(st.sampled_from(["utf-8", "utf-8-sig", "cp1252", "utf-16"])),
        ("u °C", "y", "z")[:width],
        draw(st.sampled_from(["\n", "\r\n", "\r"])),
        draw(st.sampled_from([(), ("V", "m³", "s")[:width]])),
        draw(st.integers(0, 2)),
        draw(st.booleans()) and delimiter != " ",
        draw(st.booleans()) and delimiter != " ",
        draw(st.sampled_from(["", "\n", "\n\n"])),
    )


def read(path: Path, outputs: tuple[str, ...], **keys: Any) -> Any:
    """Return the table as read."""
    return textfile.read(path, RecordRow(file=str(path), outputs=list(outputs), **keys))


def one_line(error: UnrolledError) -> None:
    """Hold a message against what every message must be."""
    text = str(error)
    assert "\n" not in text and len(text) < 500 and "Traceback" not in text


def round_trip(written: Written, folder: Path) -> bool:
    """Return whether a table is read without being told how; it is read right, or refused and read right when told."""
    path = folder / "table.csv"
    path.write_bytes(written.text().encode(written.encoding))
    outputs = tuple(name.replace(" ", "_") if written.delimiter == " " else name for name in written.names)
    told = {"delimiter": written.delimiter, "decimal": written.decimal, "encoding": written.encoding}
    found = read(path, outputs, **told)
    np.testing.assert_array_equal(found.to_numpy(), written.numbers())
    try:
        guessed = read(path, outputs)
    except UnrolledError as error:
        one_line(error)
        assert re.search(r"set 'delimiter'|set decimal:|Set decimal:|'encoding'|decimal commas too", str(error)), error
        return False
    np.testing.assert_array_equal(guessed.to_numpy(), written.numbers())
    assert list(guessed.columns) == list(outputs)
    return True


def test_in_any_dialect_the_same_numbers_are_read(exhaustive: bool, tmp_path: Path) -> None:
    understood = []

    @settings(
        max_examples=5000 if exhaustive else 60,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(written=tables())
    def check(written: Written) -> None:
        understood.append(round_trip(written, tmp_path))

    check()
    assert np.mean(understood) > 0.5 and (not exhaustive or np.mean(understood) < 1), "some cannot be told apart"


STEPS = 256


def columns() -> Array:
    """Return pump and level of a tank, (T, 2), to four digits."""
    random = np.random.default_rng(0)
    pump, level = np.repeat(random.uniform(2, 4, STEPS // 8), 8), np.full(STEPS, 30.0)
    for t in range(1, STEPS):
        level[t] = level[t - 1] + 0.5 * pump[t - 1] - 0.05 * level[t - 1] + 0.01 * random.normal()
    return np.stack([pump, level], axis=1).round(4)


TRUE = columns()
LINES = ["time,pump,level", *(f"{4 * t},{pump:.4f},{level:.4f}" for t, (pump, level) in enumerate(TRUE))]
BASE = "\n".join(LINES) + "\n"


def asks(**change: Any) -> DataRow:
    """Return the data of a study of the tank; keys of the record among the others."""
    own = {"file": "t.csv", "inputs": ["pump"], "outputs": ["level"]}
    own |= {key: change.pop(key) for key in tuple(change) if key in RecordRow.model_fields}
    row = {"task": "response", "steps": 16, "step": 4.0, "train": 128, "val": 64, "test": 64, "window": 4}
    return DataRow.model_validate(row | change | {"record": own})


def load(content: str | bytes, **change: Any) -> record.Series:
    """Return the record of a file in the current folder with this content."""
    Path("t.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    return record.load(asks(**change))


def values(series: record.Series) -> Array:
    """Return inputs and outputs in their units."""
    scaled: Array = np.concatenate([series.inputs, series.outputs], axis=1)
    return scaled * series.standard_deviation + series.mean


def is_the_tank(series: record.Series) -> None:
    """Hold a record against the numbers that were written."""
    np.testing.assert_allclose(values(series), TRUE, rtol=0, atol=1e-9)


def with_line(number: int, line: str) -> str:
    """Return the table with another line in place of one; the heading is line 1."""
    return "\n".join([*LINES[: number - 1], line, *LINES[number:]]) + "\n"


def without(first: int, last: int) -> str:
    """Return the table without some lines."""
    return "\n".join([*LINES[: first - 1], *LINES[last:]]) + "\n"


BYTES = np.random.default_rng(1).bytes(2000)
WELL = {
    "utf-16": BASE.encode("utf-16"),
    "utf-32": BASE.encode("utf-32"),
    "mark": BASE.encode("utf-8-sig"),
    "windows lines": BASE.replace("\n", "\r\n"),
    "mixed lines": BASE.replace("\n", "\r\n", 50),
    "old lines": BASE.replace("\n", "\r"),
    "blank end": BASE + "\n \n\n",
    "blank start": "\n\n" + BASE,
    "no end": BASE[:-1],
    "comments": "# a logger, of 2024\n#\n" + BASE,
    "heading in a comment": "# " + BASE,
    "units": BASE.replace("level\n", "level\ns,V,V\n", 1),
    "semicolons": BASE.replace(",", ";"),
    "tabs": BASE.replace(",", "\t"),
    "blanks": BASE.replace(",", "  "),
    "sep=": "sep=;\n" + BASE.replace(",", ";"),
    "decimal commas": BASE.replace(",", ";").replace(".", ","),
    "separator at the end": BASE.replace("\n", ",\n"),
    "separator at the end of samples": LINES[0] + "\n" + BASE[len(LINES[0]) + 1 :].replace("\n", ",\n"),
    "names in quotes": BASE.replace("pump,level", '"pump", "level"'),
    "many columns": BASE.replace("\n", "," * 500 + "\n"),
    "words beside": BASE.replace("\n", ",true\n").replace("level,true", "level,note", 1),
}


@pytest.mark.parametrize("kind", WELL)
def test_a_table_is_read_right(kind: str, in_tmp: Path) -> None:
    is_the_tank(load(WELL[kind]))


STILL = "".join(f"{4 * t},{pump},21.3\n" for t, pump in enumerate(TRUE[:, 0]))
DAMAGED: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "is empty"),
    "blank": (" \n\n", "is empty"),
    "only comments": ("# a\n# b\n", "is empty"),
    "heading": (LINES[0], "holds a heading, but no samples"),
    "cut in a line": ("\n".join(LINES[:99]) + "\n392,3.", "line 100 has 2 fields"),
    "cut between lines": (BASE[: BASE.index("\n", 2000) + 1], "ask for 256: lower them in params.yaml, to train: 5"),
    "two lines": ("\n".join(LINES[:3]), "has 2 rows"),
    "NUL": (with_line(29, "112,3.1\0,30"), "line 29 holds '\\x00'"),
    "random bytes": (BYTES, "t.csv"),
    "picture": (b"\x89PNG\r\n\x1a\n" + BYTES, "t.csv"),
    "spreadsheet": (b"PK\x03\x04" + BYTES, "is a spreadsheet or an archive"),
    "packed": (b"\x1f\x8b" + BYTES, "is a spreadsheet or an archive"),
    "UTF-16 without mark": (BASE.encode("utf-16-le"), "UTF-16 without its mark: set 'encoding'"),
    "no Windows letter": (
        with_line(6, "16,3\x81,30").encode("latin-1"),
        "as UTF-8 or cp1252: set the right 'encoding'",
    ),
    "huge number": (with_line(6, f"16,{'9' * 200_000},30"), "field larger than field limit"),
    "open quote": (with_line(6, '16,"3.6,30'), "is a quotation mark missing?"),
    "quote over lines": (with_line(6, '16,"3.6\n",30'), "goes over several lines"),
    "short line": (with_line(6, "16,3.6"), "line 6 has 2 fields between commas, the heading 3"),
    "long line": (with_line(6, "16,3.6,30,7"), "line 6 has 4 fields between commas, the heading 3"),
    "thousands": (with_line(6, "16,3.6,30").replace(",", ";").replace(";3.6;30", ";3.6;1,030.5"), "holds '1,030.5'"),
    "two decimal signs": (with_line(9, "28,3.6,30").replace(",", ";").replace("3.6;30", "3,6;30"), "one decimal sign"),
    "decimal commas between commas": ("pump,level\n" + "3,69,30,00\n" * 256, "twice as many fields as the heading"),
    "no names": (BASE[len(LINES[0]) + 1 :], "line 1 holds numbers, not names"),
    "a name twice": (BASE.replace("time", "level"), "columns 1 and 3 are both called 'level'"),
    "another name": (BASE.replace("level", "Level"), "column of t.csv 'level' is not known; did you mean 'Level'?"),
    "text above": ("Logger 3\nSerial 4711\n" + BASE, "begin what stands above the heading with '#'"),
    "a heading again": (with_line(100, LINES[0]), "line 100 holds 'time', where others hold a number"),
    "web page": ("<!DOCTYPE html>\n<html>404</html>\n", "column of t.csv 'pump' is not known"),
    "unknown sep": ("sep=x\n" + BASE, "names 'x' as the separator"),
    "constant": (f"{LINES[0]}\n{STILL}", "column 'level' is constant over the training data"),
    "constant test": ("\n".join([*LINES[:193], *STILL.split("\n")[192:]]), "constant over the test data (the last 64"),
    "empty column": (re.sub(r"[\d.]+\n", "\n", BASE), "column 'level' is empty"),
    "endless number": (with_line(6, "16,3.6,1e999"), "line 6, column 'level' holds inf"),
    "first sample": (with_line(2, "0,3.6,"), "column 'level' holds nothing, at the first sample: delete line 2"),
    "last samples": (with_line(257, "1020,,30"), "line 257, column 'pump' holds nothing, at the last sample"),
    "blank line": (with_line(6, ""), "from line 5 (12.0) to line 7 (20.0) 1 sample is lost"),
}
WORDS = [
    "inf",
    "true",
    "False",
    "0x1F",
    "1+2j",
    "1_000",
    "１２",
    "−5",
    "1e5e5",
    "--",
    "1 000",
    "1'000",
    "3.6V",
    "1d5",
    "?",
]
NOTHING = "line 6, column 'level': a sample is missing (1 in all): `fill_gaps: 1`"
MISSING = {word: (with_line(6, f"16,3.6,{word}"), NOTHING) for word in ("", "NaN", "NA", "null", "None")}
DAMAGED |= MISSING | {word: (with_line(6, f"16,3.6,{word}"), f"holds '{word}', not a number (1 such") for word in WORDS}


@pytest.mark.parametrize("kind", DAMAGED)
def test_what_is_damaged_is_one_line(kind: str, in_tmp: Path, refused: Refused) -> None:
    content, said = DAMAGED[kind]
    with refused("t.csv", said):
        load(content)


@pytest.mark.parametrize("kind", MISSING)
def test_missing_samples_are_put_in_on_a_straight_line(kind: str, in_tmp: Path) -> None:
    series = load(MISSING[kind][0], fill_gaps=1)
    expected = TRUE.copy()
    expected[4] = 3.6, (TRUE[3, 1] + TRUE[5, 1]) / 2
    np.testing.assert_allclose(values(series), expected, rtol=0, atol=1e-9)
    assert "1 of 256 samples were lost, and are put in on straight lines" in series.facts["said"]


def damages(random: np.random.Generator) -> bytes:
    """Return the table with some random harm: bytes changed, taken out, put in, said twice or swapped."""
    content = bytearray(BASE.encode())
    for _ in range(random.integers(1, 4)):
        at, length = int(random.integers(len(content))), int(random.integers(1, 40))
        piece = bytes(content[at : at + length])
        match int(random.integers(5)):
            case 0:
                content[at] = int(random.integers(256))
            case 1:
                del content[at : at + length]
            case 2:
                content[at:at] = random.bytes(length)
            case 3:
                content[at:at] = piece
            case 4:
                content[at:at] = random.choice([b",", b";", b"\n", b'"', b"#", b".", b" ", b"-", b"e", b"\r"])
    return bytes(content)


def test_no_damage_is_a_traceback(in_tmp: Path, exhaustive: bool) -> None:
    random, refusals = np.random.default_rng(0), 0
    count = 5_000 if exhaustive else 150
    for _ in range(count):
        try:
            found = load(damages(random))
        except UnrolledError as error:
            one_line(error)
            refusals += 1
        else:  # hardly any number is another: the clock holds the rest in place
            assert np.sum(~np.isclose(values(found), TRUE, rtol=0, atol=1e-9)) < 9
    assert count / 4 < refusals < count


def dated(form: str, first: str = "2024-03-30 12:00:00", step: int = 4) -> str:
    """Return the table with dates and times for a clock."""
    times = np.datetime64(first) + np.timedelta64(step, "s") * np.arange(STEPS)
    stamps = pd.Series(times).dt.strftime(form)
    return "\n".join(
        [LINES[0], *(f"{stamp}{line[line.index(',') :]}" for stamp, line in zip(stamps, LINES[1:], strict=True))]
    )


def test_a_clock_that_fits_is_followed(in_tmp: Path) -> None:
    is_the_tank(load(BASE, time="time"))
    for form in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%d.%m.%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%H:%M:%S"):
        is_the_tank(load(dated(form), time="time", time_unit="s"))
        is_the_tank(load(dated(form), time="time", time_unit="minutes", step=4 / 60))
    newest_first = "\n".join([LINES[0], *LINES[:0:-1]])
    series = load(newest_first, time="time")
    is_the_tank(series)
    assert series.facts["said"] == ["turned round: column 'time' has the newest first"]


CLOCKS = {
    "lost": (without(6, 7), "from line 5 (12.0) to line 6 (24.0) 2 samples are lost: `fill_gaps: 2`"),
    "one lost": (without(6, 6), "1 sample is lost: `fill_gaps: 1`"),
    "many lost": (without(6, 6).replace("\n400,", "\n#"), "1 sample is lost, 2 in all: `fill_gaps: 1`"),
    "repeats": (with_line(6, LINES[4]), "from line 5 (12.0) to line 6 (12.0) it repeats: delete one"),
    "twice": (BASE + BASE[len(LINES[0]) + 1 :], "from line 257 (1020.0) to line 258 (0.0) it goes back"),
    "swapped": ("\n".join([*LINES[:5], LINES[6], LINES[5], *LINES[7:]]), "it goes back: sort the lines by time"),
    "uneven": (with_line(6, "17.5,3.6,30"), "it does not go on by whole steps of 4, within 10% (2 such in all)"),
    "another step": (
        re.sub(r"\n(\d+),", lambda at: f"\n{5 * int(at[1]) / 4},", BASE),
        "it goes in steps of 5, and `step` in",
    ),
    "no time": (with_line(6, ",3.6,30"), "line 6 has no time"),
    "a word": (with_line(6, "noon,3.6,30"), "line 6 holds 'noon', where others hold a number"),
    "dates without unit": (
        dated("%Y-%m-%d %H:%M:%S"),
        "set `time_unit` in the study's 'data' to one of us, µs, ms, s,",
    ),
}


@pytest.mark.parametrize("kind", CLOCKS)
@pytest.mark.parametrize("named", [True, False])
def test_a_clock_is_looked_at_whether_named_or_not(kind: str, named: bool, in_tmp: Path, refused: Refused) -> None:
    content, said = CLOCKS[kind]
    hint = () if named else ("looks like a clock (`time: time` in the study's 'record' has it followed, `time: false`",)
    with refused("t.csv: column 'time'", said, *hint):
        load(content, test=60, **{"time": "time"} if named else {})
    if kind != "one lost":
        load(content, test=60, time=False)  # the user's own word


def test_the_newest_first_is_turned_round_only_when_asked(in_tmp: Path, refused: Refused) -> None:
    with refused("looks like a clock", "but the newest comes first: with `time` it is turned round"):
        load("\n".join([LINES[0], *LINES[:0:-1]]))
    with refused("it goes in steps of 60 s, and `step` in the study's 'data' is 4 s"):
        load(dated("%d.%m.%Y %H:%M", step=60), time="time", time_unit="s")
    with refused("so that `step` needs a unit"):
        load(dated("%H:%M:%S"), time="time", time_unit="fortnights")
    with refused("column of t.csv 'tiem' is not known; did you mean 'time'?"):
        load(BASE, time="tiem")


def test_lost_samples_are_put_in_where_the_clock_says(in_tmp: Path) -> None:
    series, expected = load(without(6, 7), time="time", fill_gaps=2), TRUE.copy()
    expected[4:6] = TRUE[3] + (TRUE[6] - TRUE[3]) * np.array([[1], [2]]) / 3
    np.testing.assert_allclose(values(series), expected, rtol=0, atol=1e-9)
    assert series.facts["said"] == ["2 of 256 samples were lost, and are put in on straight lines"]
    back = "\n".join([LINES[0], *reversed(without(6, 7).split("\n")[1:-1])])
    np.testing.assert_allclose(values(load(back, time="time", fill_gaps=2)), expected, rtol=0, atol=1e-9)


def test_what_looks_like_a_clock_gets_a_word(in_tmp: Path) -> None:
    word = "looks like a clock, and fits: `time: time` in the study's 'record' has it followed"
    assert any(word in said for said in load(BASE).facts["said"])
    assert any(word.replace("time: time", "time: t") in each for each in load(BASE.replace("time", "t")).facts["said"])
    counter = re.sub(r"\n(\d+),", lambda at: f"\n{int(at[1]) // 4},", BASE).replace("time", "sample")
    assert any("column 'sample' looks like a clock, and fits" in said for said in load(counter).facts["said"])
    assert load(BASE, time="time").facts["said"] == load(BASE, time=False).facts["said"] == []
    as_input = load(BASE, inputs=["time", "pump"]).facts["said"]
    assert as_input == [
        "column 'time' looks like a clock, and the networks get it as if it were measured: take it out, unless meant"
    ]


def with_values(column: int, changes: dict[int, float]) -> str:
    """Return the table with other values in some samples of a column."""
    rows = [line.split(",") for line in LINES]
    for place, value in changes.items():
        rows[place + 1][column] = f"{value:g}"
    return "\n".join(",".join(row) for row in rows)


def test_a_loggers_code_is_refused_unless_limits_say_what_it_is(in_tmp: Path, refused: Refused) -> None:
    codes = [
        (-9999.0, [40]),
        (1e20, [150]),
        (1e30, [150, 151]),
        (-99.0, list(range(10, 90))),
        (160.0, [3, 250]),
        (-32768.0, [9]),
    ]
    for code, places in codes:
        content = with_values(2, dict.fromkeys(places, code))
        with refused(f"line {places[0] + 2}, column 'level' holds {code:g}", "`limits: {level: [2", "counts as lost"):
            load(content)
        with refused(f"line {places[0] + 2}, column 'level':", "missing (", "`fill_gaps: "):
            load(content, limits={"level": [20.0, 45]})
        found = values(load(content, limits={"level": [20.0, 45.0]}, fill_gaps=80))
        assert found[places, 1].max() < 45 and found[places, 1].min() > 20
        np.testing.assert_allclose(values(load(content, limits={"level": [-1e99, 1e99]}))[places, 1], code, rtol=1e-6)


def test_what_is_rare_but_true_is_not_taken_for_a_code(in_tmp: Path) -> None:
    random = np.random.default_rng(0)
    spikes = np.convolve(random.uniform(size=STEPS) < 0.05, [0.3, 1, 0.5, 0.2], "same")  # a neuron at rest, mostly
    heavy = random.standard_t(3, STEPS)
    counts = np.where(random.uniform(size=STEPS) < 0.03, 99.0, np.arange(STEPS) % 100.0)
    rain = np.where(random.uniform(size=STEPS) < 0.04, random.gamma(1, 5, STEPS), 0.0)
    switch = (random.uniform(size=STEPS) < 0.02) * 1.0
    for signal in (spikes, heavy, counts, rain, switch):
        np.testing.assert_allclose(
            values(load(with_values(1, dict(enumerate(signal)))))[:, 0], signal, rtol=1e-4, atol=1e-4
        )


def test_an_input_that_holds_the_output_is_refused(in_tmp: Path, refused: Refused) -> None:
    level = TRUE[:, 1]
    copies = {
        "": level,
        " as °F": 1.8 * level + 32,
        ", one step later": np.roll(level, -1),
        ", one step before": np.roll(level, 1),
    }
    for when, copy in copies.items():
        copy[[0, -1]] = copy[[1, -2]]
        said = f"input 'pump' holds the output 'level'{'' if 'F' in when else when}, up to a factor"
        table = "\n".join(
            [
                "time,pump,level",
                *(f"{4 * t},{u!r},{y}" for t, (u, y) in enumerate(zip(copy.tolist(), level, strict=True))),
            ]
        )
        if when.startswith(","):
            table = "\n".join(line for k, line in enumerate(table.split("\n")) if k not in (1, STEPS))
        with refused(said, "leave 'pump' out"):
            load(table, test=62)
    twin = "\n".join([LINES[0] + ",twin", *(f"{line},{line.split(',')[1]}" for line in LINES[1:])])
    assert "columns 'pump' and 'twin' are the same throughout" in load(twin, inputs=["pump", "twin"]).facts["said"]


def test_a_column_is_listed_once_and_keys_name_listed_ones(refused: Refused) -> None:
    for change, said in (
        ({"inputs": ["pump", "level"]}, "column 'level' is listed twice among inputs and outputs"),
        ({"units": {"levle": "V"}}, "'units' names 'levle', which is neither input nor output"),
        ({"limits": {"time": [0, 1]}}, "'limits' names 'time'"),
        ({"limits": {"level": [1, 0]}}, "put the lower one first"),
    ):
        with pytest.raises(ValidationError, match=said):
            asks(**change)
    silverbox = RecordRow(source="silverbox", outputs=["V2"], decimal=",")
    assert "comes without a file, so it takes no 'decimal'" in registry.make("records", "silverbox").refuses(silverbox)


def test_a_table_that_may_be_read_in_two_ways_is_refused_with_the_key_to_set(in_tmp: Path, refused: Refused) -> None:
    german = "\n".join(["pump;level", *(f"{p:.3f};{y + 1:.3f}".replace(".", ",") for p, y in TRUE)])
    with refused("is '", "Set decimal: ',' in the study's 'record' in params.yaml if it is the decimal sign"):
        load(german)
    np.testing.assert_allclose(values(load(german, decimal=","))[:, 1], TRUE[:, 1] + 1, rtol=0, atol=6e-4)
    beside = german.replace("level", "level;share").replace("\n", ";0,25\n")  # another column settles it
    assert "decimal comma" in load(beside.replace("share;0,25", "share", 1) + ";0,25").facts["read"]
    both = "a,b;c,d\n" + "1;2,3;4\n" * 20
    with refused("can be read as separated by ',' or ';': set 'delimiter'"):
        load(both.replace("1;2,3;4", "1,;,4"))
    one = "\n".join(["level", *(f"{y:.2f}".replace(".", ",") for y in TRUE[:, 1])])
    with refused("twice as many fields as the heading", "set decimal: ','"):
        load(one, inputs=[])
    np.testing.assert_allclose(values(load(one, inputs=[], decimal=","))[:, 0], TRUE[:, 1], rtol=0, atol=6e-3)


def test_a_file_that_cannot_be_read_is_one_line(in_tmp: Path, refused: Refused) -> None:
    Path("folder").mkdir()
    for file, said in (
        ("folder", "is not a file"),
        ("/dev/null", "is not a file"),
        ("a\0b", "cannot be read"),
        ("x" * 300, "cannot be read"),
    ):
        with refused(said, "correct 'file' in params.yaml"):
            record.load(asks(file=file))
    with refused("encoding 'utf-7000' is not known"):
        load(BASE, encoding="utf-7000")
    with refused("cannot be read in the encoding ascii"):
        load(BASE.replace("time", "°C"), encoding="ascii")


def test_settings_that_contradict_the_file_are_refused(in_tmp: Path, refused: Refused) -> None:
    with refused("column of t.csv 'pump' is not known. Known: time,pump,level"):
        load(BASE, delimiter=";")
    with refused("line 2, column 'pump' holds '", "set 'decimal'"):
        load(BASE, decimal=",", delimiter=",")
    with refused("line 2, column 'pump' holds '", "set 'decimal'"):
        load(BASE.replace(",", ";").replace(".", ","), decimal=".")
