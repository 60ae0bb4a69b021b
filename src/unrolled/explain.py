"""What is wrong with a row, in words: one line a problem that names the key, what is wrong and what is allowed."""

import difflib
import reprlib
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from unrolled import registry
from unrolled.errors import UnrolledError

SHORT = reprlib.Repr()
SHORT.maxstring = SHORT.maxother = 80
"""Values as a message shows them."""


def validated(model: type[Any], row: Any, where: str, key: str = "") -> Any:
    """Return the row as an object of the model; problems are an error, one line each, that names file and key."""
    try:
        return model.model_validate(row)
    except ValidationError as error:
        raise UnrolledError("\n".join(lines(error, model, where, key))) from None


def lines(error: ValidationError, model: type[Any], where: str, prefix: str = "") -> list[str]:
    """Return one line a problem; a missing key that is there misspelt is one with the misspelt one."""
    return list(dict.fromkeys(line for _, line in located(error, model, where, prefix)))


def located(
    error: ValidationError, model: type[Any], where: str, prefix: str = ""
) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Yield for each problem its place in the row and its line."""
    problems = error.errors(include_url=False)
    meant = set()
    for problem in problems:
        if problem["type"] == "extra_forbidden":
            *above, last = problem["loc"]
            near = difflib.get_close_matches(str(last), allowed(model, problem["loc"]), n=1)
            meant |= {(*above, name) for name in near}
    for problem in problems:
        if problem["type"] != "missing" or problem["loc"] not in meant:
            yield problem["loc"], _line(problem, model, where, prefix)


def _line(problem: Any, model: type[Any], where: str, prefix: str) -> str:
    location = problem["loc"]
    key = ".".join([*([prefix] if prefix else []), *(str(part) for part in location)])
    if problem["type"] == "extra_forbidden":
        return str(registry.unknown("key", key, allowed(model, location)))
    if problem["type"] == "missing":
        given = problem["input"].get("settings", {}) if isinstance(problem["input"], dict) else {}
        if close := near(str(location[-1]), given):
            return f"key '{key.removesuffix(str(location[-1])) + close}' is not known; did you mean '{location[-1]}'?"
        return f"key '{key}' is missing: add it to {where}"
    if problem["type"] == "value_error":
        return f"{where}: {key or 'the table'}: {problem['msg'].removeprefix('Value error, ')}"
    if not location and not prefix:
        return f"{where} must hold the sections {', '.join(model.model_fields)}"
    return f"{where}: {key} is {SHORT.repr(problem.get('input'))}: {problem['msg'].lower()}"


def near(name: str, given: dict[str, Any]) -> str | None:
    """Return the given key that looks like a misspelt `name`."""
    return next(iter(difflib.get_close_matches(name, map(str, given), n=1)), None)


def allowed(model: Any, location: tuple[Any, ...]) -> list[str]:
    """Return the keys that the model knows at the place of an unknown one."""
    for part in location[:-1]:
        known = model.model_fields if isinstance(model, type) and issubclass(model, BaseModel) else {}
        kind = known[part].annotation if part in known else model
        inner = [each for each in (kind, *get_args(kind)) if isinstance(each, type) and issubclass(each, BaseModel)]
        model = inner[0] if inner else kind
    return sorted(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []
