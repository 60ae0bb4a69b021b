"""Settings of items: typed, with defaults, and picked from the options of a method's row; one item a file."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from conftest import Refused, make_cell
from unrolled import registry

ITEMS = [(kind, name) for kind in ("cells", "initialisers") for name in registry.names(kind)]


def test_each_item_takes_its_own() -> None:
    given = {"leak_rate": 0.25, "spectral_radius": 0.5, "hidden": 4, "washout": 3.0}
    assert registry.settings_of("cells", "leaky", given) == {"leak_rate": 0.25, "hidden": 4}
    assert registry.settings_of("initialisers", "echo_state", given) == {"spectral_radius": 0.5}
    cell = make_cell("leaky", 1, **given)
    assert cell.settings == cell.Settings(hidden=4, leak_rate=0.25) and cell.hidden == 4


@pytest.mark.parametrize(("kind", "name"), ITEMS)
def test_settings_have_defaults_and_cannot_change(kind: str, name: str) -> None:
    settings = registry.load(kind, name).Settings()
    with pytest.raises(ValidationError):
        registry.load(kind, name).Settings(unheard_of=1)
    for key in settings.model_dump():
        with pytest.raises(ValidationError, match="frozen"):
            setattr(settings, key, 1)


@pytest.mark.parametrize("wrong", [{"hidden": 2.0}, {"hidden": -1}, {"activation": "tnah"}, {"leak_rate": 1.0}])
def test_wrong_types_values_and_names_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        registry.load("cells", "elman")(1, **wrong)


def test_an_item_is_the_one_public_class_of_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    cells = registry.folder("cells")
    for kind in registry.KINDS:
        assert all(registry.load(kind, name) is not None for name in registry.names(kind))
    (tmp_path / "twins.py").write_text("class One: ...\nclass Two: ...\nclass _Three: ...\n")
    (tmp_path / "empty.py").write_text("from unrolled.models.cell import Cell\n")
    import unrolled.models.cells as package

    monkeypatch.setattr(package, "__path__", [str(tmp_path), str(cells)])
    monkeypatch.setattr(registry, "folder", lambda kind: tmp_path)
    with refused("twins.py", "one public class", "One, Two"):
        registry.load("cells", "twins")
    with refused("empty.py", "one public class", "none"):
        registry.load("cells", "empty")
