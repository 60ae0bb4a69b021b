"""What a kill cut off while DVC wrote it is removed; what is whole stays."""

from pathlib import Path

import pytest
import yaml

from pipeline import ROOT
from unrolled import repair_lock


def test_a_whole_lock_stays_and_one_cut_off_inside_a_stage_goes(in_tmp: Path) -> None:
    text = (ROOT / "dvc.lock").read_text()
    repair_lock.LOCK.write_text(text)
    repair_lock.main()
    assert repair_lock.LOCK.read_text() == text
    inside = text.index("md5:", len(text) // 2)
    for cut in (0, 12, inside):
        repair_lock.LOCK.write_text(text[:cut])
        repair_lock.main()
        assert not repair_lock.LOCK.exists(), cut
    repair_lock.main()


def test_every_entry_needs_its_hash() -> None:
    lock = yaml.safe_load((ROOT / "dvc.lock").read_text())
    assert repair_lock.whole(lock)
    del next(iter(lock["stages"].values()))["outs"][0]["md5"]
    assert not repair_lock.whole(lock)


@pytest.mark.parametrize("mark", ["<<<<<<< HEAD", ">>>>>>> other"])
def test_a_lock_with_both_sides_of_a_merge_stays_and_is_called_that(
    mark: str, in_tmp: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "dvc.lock").read_text().replace("stages:\n", f"stages:\n{mark}\n", 1)
    repair_lock.LOCK.write_text(text)
    with pytest.raises(SystemExit, match=r"^unrolled: dvc.lock holds both sides of a merge .*git checkout --ours"):
        repair_lock.main()
    assert repair_lock.LOCK.read_text() == text and capsys.readouterr().out == ""


@pytest.mark.parametrize(("content", "stays"), [("{}", True), ('{"a": {"read"', False), ("", False)])
def test_a_list_of_files_in_use_that_was_cut_off_goes(in_tmp: Path, content: str, stays: bool) -> None:
    repair_lock.IN_USE.parent.mkdir(parents=True)
    repair_lock.IN_USE.write_text(content)
    repair_lock.main()
    assert repair_lock.IN_USE.exists() is stays
