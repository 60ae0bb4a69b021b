"""Other machines: full disks, jobs of SLURM, no git, folders that cannot be written, a package that is installed."""

import errno
import fnmatch
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import yaml

import pipeline
import tiny
from conftest import MakeRun, Refused
from source_copy import edit
from unrolled import errors, files, fingerprint, paths, registry, repair_lock
from unrolled.errors import FullError
from unrolled.full import project as full
from unrolled.models import kernels
from unrolled.models.cells import elman
from unrolled.training import results
from unrolled.training.fit import fit

# --- disks


def full_disk(monkeypatch: pytest.MonkeyPatch, times: int = 10**9) -> None:
    """Have the disk full for so many writes, the first halves of which are on it."""
    write = Path.write_bytes
    left = iter(range(times))

    def half(path: Path, content: bytes) -> int:
        if next(left, None) is None:
            return write(path, content)
        write(path, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)


def test_a_full_disk_is_one_line_with_file_and_room_and_leaves_nothing_half(
    in_tmp: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    full_disk(monkeypatch)
    with refused("data/x/a.json cannot be written: No space left on device", "MB free", "free some"):
        files.write_json(Path("data/x/a.json"), {"a": 1})
    assert [path for path in in_tmp.rglob("*") if path.is_file()] == []


def test_a_folder_that_is_not_ones_own_is_one_line(in_tmp: Path, refused: Refused) -> None:
    Path("a").write_text("")
    with refused("a/b cannot be written: ", "make it writable"):
        files.write_atomic(Path("a/b"), b"")


@pytest.mark.parametrize("number", sorted(errors.OF_THE_MACHINE))
def test_what_the_system_refuses_is_one_line(number: int) -> None:
    @errors.one_line
    def main() -> None:
        raise OSError(number, os.strerror(number), "some/file")

    with pytest.raises(SystemExit, match=f"^unrolled: some/file: {os.strerror(number)}: [^\n]*$"):
        main()


def test_a_fault_of_ours_is_none_of_the_machine() -> None:
    @errors.one_line
    def main() -> None:
        raise FileNotFoundError(errno.ENOENT, "", "x")

    with pytest.raises(FileNotFoundError):
        main()


def test_a_result_waits_for_room(
    in_tmp: Path, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, data = make_run({"cell": "elman", "hidden": 2}, epochs=1)
    result = fit(run, data)
    monkeypatch.setattr(results, "mark", lambda run: "mark")
    monkeypatch.setattr(results.time, "sleep", lambda seconds: None)
    with monkeypatch.context() as patch:
        full_disk(patch, times=3)
        results.save(run, result, 1.0)
    said = capsys.readouterr().out
    assert said.startswith("waiting up to 10 minutes for room: .unrolled/results/mark") and said.count("\n") == 1
    np.testing.assert_array_equal(results.read(results.path_of("study", "method"))[1].theta, result.theta)
    monkeypatch.setattr(results, "PATIENCE", -1.0)
    full_disk(monkeypatch)
    with pytest.raises(FullError):
        results.save(run, result, 1.0)


# --- jobs

SLURM = {"NTASKS": "4", "JOB_ID": "7", "JOB_NAME": "train", "PROCID": "2", "LOCALID": "2", "NODEID": "0"}
TORCHRUN = {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "4", "GROUP_RANK": "0", "TORCHELASTIC_RUN_ID": "x"}


@pytest.mark.parametrize("job", [{f"SLURM_{key}": value for key, value in SLURM.items()}, TORCHRUN], ids=str)
def test_in_a_job_of_several_tasks_each_training_is_of_one_process(
    job: dict[str, str], make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, data = make_run({"cell": "elman", "hidden": 2}, epochs=2)
    alone = fit(run, data)
    for name, value in job.items():
        monkeypatch.setenv(name, value)
    np.testing.assert_array_equal(fit(run, data).theta, alone.theta)


# --- compiled kernels


def test_a_kept_kernel_is_stale_when_anything_that_it_imports_has_changed(package: Path) -> None:
    file = package / "models/cells/elman.py"
    before = fingerprint.of_content(file)
    for other, changes in (("models/cells/gru.py", False), ("data/store.py", False), ("models/kernels.py", True)):
        edit(package / other)
        fingerprint.of_content.cache_clear()
        assert (fingerprint.of_content(file) != before) == changes, other


def test_kernels_are_kept_by_all_their_sources() -> None:
    source = registry.path("cells", "elman")
    compiled = [each for each in vars(elman).values() if hasattr(each, "py_func") and each.__module__ == elman.__name__]
    assert compiled
    for each in compiled:
        assert each._cache._cache_file._source_stamp == fingerprint.of_content(source)
        assert list(source.parent.glob(f"__pycache__/{each._cache._impl.filename_base}*.nbi"))


def test_kernels_are_kept_where_only_the_user_may_write(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def place() -> type:
        return type(kernels._Keeper(elman.__dict__[name].py_func)._locator)

    name = next(n for n, each in vars(elman).items() if hasattr(each, "py_func"))
    assert place() is kernels._BesideSource
    monkeypatch.setattr(kernels._BesideSource, "get_cache_path", lambda self: "/proc/nowhere")
    monkeypatch.setenv("XDG_CACHE_HOME", str(in_tmp / "cache"))
    assert place() is kernels._OfUser
    next((in_tmp / "cache").rglob("cells_*")).chmod(0o777)
    assert place() is kernels._OfProject and paths.KERNELS.is_dir()


# --- an archive without git, a copy for the long run, an installed package


def test_without_git_dvc_is_told_once_and_keeps_its_settings(in_tmp: Path, capsys: pytest.CaptureFixture[str]) -> None:
    repair_lock.LOCAL.parent.mkdir()
    repair_lock.LOCAL.write_text('["remote \\"x\\""]\n    url = /x\n[core]\n    remote = x\n')
    repair_lock.main()
    assert "does without it" in capsys.readouterr().out
    text = repair_lock.LOCAL.read_text()
    assert "no_scm = true" in text and "url = /x" in text and "remote = x" in text
    repair_lock.main()
    assert capsys.readouterr().out == "" and repair_lock.LOCAL.read_text() == text
    repair_lock.LOCAL.unlink()
    (in_tmp / ".git").mkdir()
    repair_lock.main()
    assert not repair_lock.LOCAL.exists()


def test_the_copy_for_the_long_run_needs_no_git_and_has_the_users_tables(
    in_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tiny.raw("response")
    (name,) = table["studies"]
    rows = {"a": "data/measured/own.csv", "b": "elsewhere/own.csv", "c": str(in_tmp / "own.csv")}
    for key, file in rows.items():
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_text("x\n1\n")
        table["studies"][key] = {"data": {"record": {"file": file}}}
    paths.PARAMS.write_text(yaml.safe_dump(table))
    full.CHANGES.write_text(yaml.safe_dump({"studies": {name: {"fit": {"epochs": 99}}}}))
    Path("src/unrolled").mkdir(parents=True)
    Path("src/unrolled/a.py").write_text("1")
    gone = full.FOLDER / "src/unrolled/gone.py"
    gone.parent.mkdir(parents=True)
    gone.write_text("")
    monkeypatch.setattr(full.lifetime, "begin", lambda module: None)
    monkeypatch.setenv("PATH", "")
    full.main()
    merged = yaml.safe_load((full.FOLDER / paths.PARAMS).read_text())
    assert merged["studies"][name]["fit"]["epochs"] == 99
    for key in rows:
        assert (full.FOLDER / merged["studies"][key]["data"]["record"]["file"]).read_text() == "x\n1\n"
    assert (full.FOLDER / full.COMMIT).read_text() == ""
    assert (full.FOLDER / "src/unrolled/a.py").exists() and not gone.exists()


def test_every_file_of_the_package_is_installed_with_it() -> None:
    settings = tomllib.loads((pipeline.ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    own = [path for path in registry.ROOT.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    data = {path.relative_to(registry.ROOT).as_posix() for path in own if path.suffix != ".py"}
    taken = {
        name
        for package, patterns in settings.items()
        for name in data
        for pattern in patterns
        if fnmatch.fnmatch(name, f"{package.removeprefix('unrolled').strip('.').replace('.', '/')}/{pattern}")
    }
    assert data and data == taken


def test_every_folder_of_modules_is_a_package() -> None:
    folders = {path.parent for path in registry.ROOT.rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


def test_an_unknown_variable_ends_a_command_before_it_begins(in_tmp: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(registry.ROOT.parent), "UNROLLED_WORKRES": "2"}
    command = [sys.executable, "-m", "unrolled.stages", "configure"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("unrolled: environment variable 'UNROLLED_WORKRES' is not known; did you mean")
    assert done.stderr.count("\n") == 1
