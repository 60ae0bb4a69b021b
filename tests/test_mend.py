"""A `dvc.lock` cut off by a kill is removed; a whole one stays."""

from pathlib import Path

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
