"""A table in a text file, however it is written: what is certain is detected and said, what is not is asked for."""

import codecs
import csv
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unrolled.config import RecordRow
from unrolled.errors import UnrolledError

if TYPE_CHECKING:
    import pandas as pd

    Texts = pd.Series[str]

KEY = "in the study's 'record' in params.yaml"
MARKS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "blanks"}
BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before that of UTF-16, which is its beginning
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f]")
NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
EITHER = re.compile(NUMBER.replace(r"\.", "[.,]"))
"""A number with a decimal point or comma."""
DATE = re.compile(r"\d[-/.:]\d")
MISSING = ("", "na", "n/a", "#n/a", "nan", "-nan", "null", "none")
"""What stands for a lost sample, whatever the case of its letters."""
YAML_WORDS = ("y", "n", "yes", "no", "on", "off", "true", "false", "null")
LOOK = 200
"""Lines from which the separator is taken; all lines are then held against it."""


@dataclass(frozen=True)
class Lines:
    """The lines of a table with their numbers: the heading, what lies below it, and the last comment above."""

    heading: str
    first: int
    body: list[str]
    numbers: list[int]
    comment: str
    mark: str | None
    """The separator that a line `sep=;` names, as spreadsheets write it."""
    comments: int


def read(path: Path, row: RecordRow) -> "pd.DataFrame":
    """Return the table, a column for each name; its index counts the lines of the file.

    Fields that are numbers are floats, lost ones NaN; others stay text, in columns of objects. `attrs["read"]` says in
    words how the file was read.

    Raises
    ------
    UnrolledError
        If it is no such table, or may be read in more than one way; it names the line, or the key to set.
    """
    import pandas as pd

    what = str(row.file)
    text, encoding = _decoded(path, row.encoding, what)
    lines = _lines(text, row.comment or "#", what)
    delimiter = row.delimiter or lines.mark or _delimiter(lines, row.decimal, what)
    names, fields = _fields([lines.heading], delimiter, what)[0], _fields(lines.body, delimiter, what)
    said = [f"lines skipped as comments: {lines.comments}"] if lines.comments else []
    if all(_numeric(name) for name in names if name):
        above = _fields([lines.comment], delimiter, what)[0]
        if not lines.comment.strip() or len(above) != len(names) or any(_numeric(name) for name in above):
            raise UnrolledError(f"{what}: line {lines.first} holds numbers, not names: put a line of names at the top")
        names, fields = above, [names, *fields]
        body, numbers = [lines.heading, *lines.body], [lines.first, *lines.numbers]
        said.append("heading in a comment")
    else:
        body, numbers = lines.body, lines.numbers
    if _is_units(fields):
        said.append(f"units in line {numbers[0]}: {', '.join(unit or '?' for unit in fields[0])}")
        body, numbers, fields = body[1:], numbers[1:], fields[1:]
    _check_widths(names, fields, body, numbers, delimiter, what)
    wide = [*names, *([""] if any(len(each) > len(names) for each in fields) else [])]
    cells = pd.read_csv(
        io.StringIO("\n".join(body) + "\n"),
        sep=r"\s+" if delimiter == " " else delimiter,
        header=None,
        names=range(len(wide)),
        index_col=False,
        skipinitialspace=True,
        dtype=str,
        keep_default_na=False,
        skip_blank_lines=False,
    ).fillna("")
    cells.index = pd.Index(numbers, name="line")
    columns = _columns(wide, row, what)
    wanted = [columns[name] for name in (*row.inputs, *row.outputs, row.time) if name in columns]
    decimal = row.decimal or _decimal(cells, wanted, delimiter, what)
    made = {name: _floats(cells[place].str.strip(), decimal) for name, place in columns.items()}
    table = pd.DataFrame(made, index=cells.index)
    said[:0] = [f"columns between {MARKS[delimiter]}", f"decimal {'point' if decimal == '.' else 'comma'}", encoding]
    table.attrs["read"] = ", ".join(said)
    return table


def quoted(name: str) -> str:
    """Return a column's name as YAML has it anywhere in a row."""
    plain = re.fullmatch(r"[A-Za-z_]\w*", name) and name.lower() not in YAML_WORDS
    return name if plain else json.dumps(name, ensure_ascii=False)


def _decoded(path: Path, encoding: str | None, what: str) -> tuple[str, str]:
    """Return the text of a file and its encoding: as told, by its first bytes, UTF-8, or else Windows' cp1252."""
    try:
        if path.exists() and not path.is_file():  # a device may have no end
            raise UnrolledError(f"{what} is not a file: correct 'file' in params.yaml")
        raw = path.read_bytes()
    except FileNotFoundError:
        raise UnrolledError(f"{what} is missing: put it there, or correct 'file' in params.yaml") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UnrolledError(f"{what} cannot be read ({reason}): correct 'file' in params.yaml, or its rights") from None
    if raw[:4] in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0") or raw[:2] == b"\x1f\x8b":
        raise UnrolledError(f"{what} is a spreadsheet or an archive, not text: save the table as CSV")
    marked = next((name for mark, name in BOMS.items() if raw.startswith(mark)), None)
    for name in [encoding] if encoding else [marked] if marked else ["utf-8", "cp1252"]:
        try:
            text = raw.decode(name)
        except LookupError:
            raise UnrolledError(
                f"{what}: encoding '{encoding}' is not known: 'utf-8' or 'cp1252', for example"
            ) from None
        except UnicodeError:
            continue
        if found := CONTROL.search(text):
            line = text.count("\n", 0, found.start()) + 1
            hint = "" if encoding else f"; or UTF-16 without its mark: set 'encoding' {KEY}"
            raise UnrolledError(f"{what}: line {line} holds {found.group()!r}: not a text file, or damaged{hint}")
        return text, name.removesuffix("-sig")
    tried = f"in the encoding {encoding or marked}" if encoding or marked else "as UTF-8 or cp1252"
    raise UnrolledError(f"{what} cannot be read {tried}: set the right 'encoding' {KEY}, or save it as UTF-8")


def _lines(text: str, comment: str, what: str) -> Lines:
    """Return heading and body without comments, and without blank lines around them."""
    every = list(enumerate(re.split("\r\n|\r|\n", text), 1))
    rows = [(number, line) for number, line in every if not line.lstrip().startswith(comment)]
    while rows and not rows[-1][1].strip():
        rows.pop()
    mark = None
    while rows and (not rows[0][1].strip() or (mark is None and rows[0][1].lower().startswith("sep="))):
        mark = rows.pop(0)[1].strip("\r\n")[4:5] or None
    if mark not in (None, *MARKS):
        raise UnrolledError(f"{what}: line 1 names '{mark}' as the separator: use one of {', '.join(MARKS.values())}")
    if not rows:
        raise UnrolledError(f"{what} is empty: a table has a line of names, then one line a time step")
    (first, heading), rows = rows[0], rows[1:]
    while rows and not rows[0][1].strip():
        rows.pop(0)
    if not rows:
        raise UnrolledError(f"{what} holds a heading, but no samples")
    above = [line.lstrip()[len(comment) :] for number, line in every if number < first and line.strip()]
    comments = sum(line.lstrip().startswith(comment) for _, line in every)
    return Lines(heading, first, [r[1] for r in rows], [r[0] for r in rows], above[-1] if above else "", mark, comments)


def _fields(lines: list[str], delimiter: str, what: str) -> list[list[str]]:
    """Return the fields of each line, without blanks around them."""
    if delimiter == " ":
        return [line.split() for line in lines]
    try:
        rows = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
        found = [[field.strip() for field in row] for row in rows]
    except csv.Error as error:
        raise UnrolledError(
            f"{what} is not a table separated by {MARKS[delimiter]}: {error}; is a quotation mark missing?"
        ) from None
    if len(found) != len(lines):
        raise UnrolledError(f"{what}: a field in quotes goes over several lines: a quotation mark is missing")
    return [row or [""] for row in found]


def _numeric(field: str) -> bool:
    return EITHER.fullmatch(field) is not None


def _delimiter(lines: Lines, decimal: str | None, what: str) -> str:
    """Return the one separator with which every line has as many fields as the heading."""
    sample = [line for line in lines.body[:LOOK] if line.strip()]
    marks = [mark for mark in (",", ";", "\t", "|") if mark != decimal or any('"' in line for line in sample)]
    fits, widths = dict[str, int](), dict[str, tuple[int, set[int]]]()
    for mark in marks:
        try:
            (head, *rest) = _fields([lines.heading, *sample], mark, what)
        except UnrolledError:
            continue
        widths[mark] = len(head), {len(fields) for fields in rest}
        if len(head) > 1 and all(_same(len(head), fields) for fields in rest):
            fits[mark] = sum(_numeric(field) for fields in rest for field in fields)
    best = [mark for mark in fits if fits[mark] == max(fits.values())]
    if len(best) == 1:
        return best[0]
    if best:
        either = " or ".join(f"'{mark}'" for mark in best)
        raise UnrolledError(f"{what} can be read as separated by {either}: set 'delimiter' {KEY}")
    above, below = widths.get(",", (0, set[int]()))
    if above and below == {2 * above}:
        remedy = "separate the columns by semicolons" if "," in lines.heading else f"set decimal: ',' {KEY}"
        raise UnrolledError(
            f"{what}: each line has twice as many fields as the heading between commas, as if these were decimal "
            f"commas too: {remedy}, or put the missing names into the heading"
        )
    if used := [mark for mark in widths if mark in lines.heading]:
        return max(used, key=lambda mark: widths[mark][0])
    count = len(lines.heading.split())
    return " " if count > 1 and all(len(line.split()) == count for line in sample) else ";" if decimal == "," else ","


def _same(width: int, fields: list[str]) -> bool:
    """Return whether a line has so many fields, or one more, empty: a separator at its end."""
    return len(fields) == width or fields == [""] or (len(fields) == width + 1 and not fields[-1])


def _is_units(fields: list[list[str]]) -> bool:
    """Return whether the first line below the heading holds units: words, above numbers in the next line."""
    if len(fields) < 2 or any(_numeric(field) or DATE.search(field) for field in fields[0]):
        return False
    words = {place: field for place, field in enumerate(fields[0]) if field.lower() not in (*MISSING, "true", "false")}
    return any(_numeric(fields[1][place]) for place in words if place < len(fields[1]))


def _check_widths(
    names: list[str], rows: list[list[str]], body: list[str], numbers: list[int], delimiter: str, what: str
) -> None:
    """Refuse a line with another number of fields than the heading has; a separator at the end of all lines is none."""
    more = all(len(each) == len(names) + 1 and not each[-1] for each in rows if each != [""])
    for each, line, number in zip(rows, body, numbers, strict=True):
        if len(each) != len(names) + more and line.strip():
            fields = "1 field" if len(each) == 1 else f"{len(each)} fields"
            above = ", or begin what stands above the heading with '#' (or a sign of yours, set as 'comment')"
            raise UnrolledError(
                f"{what}: line {number} has {fields} between {MARKS[delimiter]}, the heading {len(names)}: correct it"
                f"{above if len(each) > len(names) else ''}, or set 'delimiter' {KEY}"
            )


def _columns(names: list[str], row: RecordRow, what: str) -> dict[str, int]:
    """Return the place of each name; one that is used must be there once."""
    for name in (*row.inputs, *row.outputs, row.time):
        if (places := [place + 1 for place, each in enumerate(names) if each == name])[1:]:
            raise UnrolledError(f"{what}: columns {places[0]} and {places[1]} are both called '{name}': rename one")
    return {name: place for place, name in enumerate(names) if name}


def _decimal(cells: "pd.DataFrame", wanted: list[int], delimiter: str, what: str) -> str:
    """Return the decimal sign of the columns that are used; what may as well be thousands is not guessed."""
    found = {}
    for sign in ".,":
        pattern = rf"\s*[+-]?[0-9]*[{sign}][0-9]*(?:[eE][+-]?[0-9]+)?\s*"
        found[sign] = [fields for _, each in cells.items() if len(fields := each[each.str.fullmatch(pattern)])]
    used = {sign: [fields for fields in found[sign] if fields.name in wanted] for sign in ".,"}
    if used["."] and used[","]:
        where = " and ".join(f"line {each[0].index[0]} holds '{each[0].iloc[0].strip()}'" for each in used.values())
        raise UnrolledError(f"{what}: {where}: write all numbers with one decimal sign")
    sign = "," if used[","] else "."
    guess = sign == "," or delimiter == ";"  # a table between semicolons may come from where points part thousands
    thousands = rf"\s*[+-]?[1-9][0-9]{{0,2}}[{sign}][0-9]{{3}}\s*"
    if guess and used[sign] and all(each.str.fullmatch(thousands).all() for each in found[sign]):
        shown = used[sign][0].iloc[0].strip()
        raise UnrolledError(
            f"{what}: is '{shown}' {shown.replace(',', '.')} or {re.sub('[.,]', '', shown)}? Set decimal: '{sign}' "
            f"{KEY} if it is the decimal sign, or write the numbers without signs between thousands"
        )
    return sign


def _floats(fields: "Texts", decimal: str) -> "pd.Series[float]":
    """Return fields as floats where they are numbers, NaN where they are lost, else as they are."""
    import numpy as np

    if decimal == ",":
        points = fields.str.replace(",", ".", regex=False)
        number = points.str.fullmatch(NUMBER) & ~fields.str.contains(".", regex=False)
    else:
        number, points = fields.str.fullmatch(NUMBER), fields
    lost = fields.str.lower().isin(MISSING)
    values = points.where(number).astype(np.float64)
    return values if (number | lost).all() else values.astype(object).where(number | lost, fields.astype(object))
