"""Reading YAML so that nothing in it means something else: a key stands once, and words and numbers are YAML 1.2's.

PyYAML alone lets the last of two equal keys win, and reads 030 as 24, 12:30 as 750, `no` as False and 1e-3 as text;
DVC, which reads the same file, does not.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from unrolled.errors import UnrolledError

TAG = "tag:yaml.org,2002:"
PLAIN: dict[str, tuple[str, str]] = {
    "merge": (r"<<", "<"),
    "null": (r"~|null|Null|NULL|", "~nN"),
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    "float": (
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
}
"""What a word without quotes is, by the core schema of YAML 1.2, with the letters that it begins with."""


class _Loader(yaml.SafeLoader):
    """Notes in `problems` each key that stands twice in its mapping; one over a merge (`<<`) is meant."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.problems: list[str] = []

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Compose a mapping, as it stands, before merges are written out."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            line, name = key.start_mark.line + 1, str(key.value)
            if not isinstance(key, yaml.ScalarNode) or not name.isprintable():
                self.problems.append(f"line {line}: a key is a name in one line, without control characters")
            elif (key.tag, name) in lines:
                self.problems.append(
                    f"key '{name}' stands twice, in lines {lines[key.tag, name]} and {line}: take one out"
                )
            lines.setdefault((key.tag, name), line)
        return node


def _integer(loader: _Loader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node))
    return int(text[2:], {"0o": 8, "0x": 16}[text[:2]]) if text[:2] in ("0o", "0x") else int(text)


_Loader.yaml_implicit_resolvers = {}
_Loader.yaml_constructors = {
    key: build
    for key, build in yaml.SafeLoader.yaml_constructors.items()
    if key is None or key in [TAG + name for name in ("null", "bool", "float", "str", "seq", "map")]
} | {TAG + "int": _integer}
for _name, (_pattern, _first) in PLAIN.items():
    _Loader.add_implicit_resolver(TAG + _name, re.compile(rf"^(?:{_pattern})$"), [*_first, *([""] * (_name == "null"))])


def read(path: Path) -> Any:
    """Return what a YAML file holds.

    Raises
    ------
    UnrolledError
        If it is missing or not YAML, or keys stand twice: one line each.
    """
    try:
        loader = _Loader(path.read_text(encoding="utf-8-sig"))
        content = loader.get_single_data()
    except FileNotFoundError:
        raise UnrolledError(f"{path} is missing: run this in the project's root folder") from None
    except OSError as error:
        raise UnrolledError(f"{path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, ValueError, LookupError) as error:
        raise UnrolledError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise UnrolledError(f"{path} is not valid YAML: it is nested too deeply") from None
    if loader.problems:
        raise UnrolledError("\n".join(f"{path}: {problem}" for problem in loader.problems))
    return content
