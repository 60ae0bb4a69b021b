"""A `dvc.lock` cut off by a kill is removed; a whole one stays."""

from pathlib import Path

import yaml

from pipeline import ROOT
from unrolled import mend


def test_a_whole_lock_stays_and_one_cut_off_inside_a_stage_goes(in_tmp: Path) -> None:
    text = (ROOT / "dvc.lock").read_text()
    mend.LOCK.write_text(text)
    mend.main()
    assert mend.LOCK.read_text() == text
    inside = text.index("md5:", len(text) // 2)
    for cut in (0, 12, inside):
        mend.LOCK.write_text(text[:cut])
        mend.main()
        assert not mend.LOCK.exists(), cut
    mend.main()


def test_every_entry_needs_its_hash() -> None:
    lock = yaml.safe_load((ROOT / "dvc.lock").read_text())
    assert mend.whole(lock)
    del next(iter(lock["stages"].values()))["outs"][0]["md5"]
    assert not mend.whole(lock)
