"""How processes begin, wait for each other and end: at once, with all that they started, and leaving nothing behind."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from conftest import Refused
from unrolled import lifetime, processes

SRC = Path(lifetime.__file__).parents[1]
SOON = 60.0
"""Seconds within which all must be gone, on a busy machine; by themselves they would wait ten times as long."""
POOL = """
import os, time
from unrolled import lifetime, processes

def wait(number):
    os.write(1, b"waits\\n")  # one call: lines of two processes do not mix
    time.sleep(600)

if __name__ == "__main__":
    lifetime.begin("unrolled.nothing")
    list(processes.side_by_side(wait, [1, 2]))
"""
STAGE = """
import time
from unrolled import lifetime
if __name__ == "__main__":
    lifetime.begin("unrolled.nothing")
    print("waits", flush=True)
    time.sleep(600)
"""


started: list[subprocess.Popen[str]] = []


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """End what a test has started."""
    yield
    while started:
        process = started.pop()
        process.kill()
        process.communicate()


def start(folder: Path, code: str, *before: str, **more: str) -> subprocess.Popen[str]:
    """Start some code as a program of its own, in a session of its own; with `before` through other programs."""
    (folder / "main.py").write_text(code)
    environment = os.environ | {"PYTHONPATH": str(SRC), "UNROLLED_WORKERS": "2"} | more
    command = [*before, sys.executable, "main.py"]
    pipe = subprocess.PIPE
    started.append(
        subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=pipe,
            stderr=pipe,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # which a shell's `&` has ignored
        )
    )
    return started[-1]


def waits(process: subprocess.Popen[str], times: int) -> list[psutil.Process]:
    """Wait until the program says so many times that it waits; return all that it has started, and itself."""
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(times)] == ["waits\n"] * times
    own = psutil.Process(process.pid)
    return [own, *own.children(recursive=True)]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_pool_ends_with_the_program_and_without_a_word_of_python(number: signal.Signals, tmp_path: Path) -> None:
    process = start(tmp_path, POOL)
    family = waits(process, 2)
    assert len(family) >= 3
    (os.killpg if number is signal.SIGINT else os.kill)(process.pid, number)  # Ctrl-C reaches all
    _, errors = process.communicate(timeout=SOON)
    assert psutil.wait_procs(family, timeout=SOON)[1] == []
    if number is signal.SIGKILL:
        assert errors == ""
    else:
        assert errors == f"{lifetime.STOPPED}\n" and process.returncode == 128 + number


DVC = "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:]).returncode)"


def fake_dvc(folder: Path) -> str:
    """Return a program called `dvc` that starts another."""
    path = folder / "dvc"
    path.write_text(f"#!{sys.executable}\n{DVC}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("between", [[], ["sh", "-c", '"$@"; true', "sh"]], ids=["direct", "shell"])
def test_a_stage_ends_with_its_dvc(between: list[str], tmp_path: Path) -> None:
    process = start(tmp_path, STAGE, fake_dvc(tmp_path), *between)
    family = waits(process, 1)
    assert len(family) == 2 + bool(between)
    process.kill()
    process.wait()
    assert psutil.wait_procs(family, timeout=SOON)[1] == []


def test_a_stage_whose_dvc_is_gone_before_it_begins_does_not_begin(tmp_path: Path) -> None:
    process = start(tmp_path, STAGE, DVC_STAGE="train")
    assert process.communicate(timeout=SOON)[0] == "" and process.returncode == 128 + signal.SIGKILL


def test_a_command_of_a_shell_lives_on_without_it(tmp_path: Path) -> None:
    process = start(tmp_path, STAGE, "sh", "-c", '"$@"; true', "sh")
    (_, own) = waits(process, 1)
    process.kill()
    process.wait()
    time.sleep(2 * lifetime.EVERY)
    assert own.is_running()
    own.kill()


LOCK = """
import sys, time
from pathlib import Path
from unrolled import lifetime
with lifetime.alone(Path("place/training"), "the training"):
    print("waits", flush=True)
    time.sleep(float(sys.argv[1]))
"""


def test_the_second_waits_for_the_first_and_says_for_whom(tmp_path: Path) -> None:
    first, second = (start(tmp_path, LOCK.replace("sys.argv[1]", "60")) for _ in range(2))
    assert first.stdout is not None and second.stdout is not None
    said = {first.pid: first.stdout.readline(), second.pid: second.stdout.readline()}
    holder, other = (first, second) if said[first.pid] == "waits\n" else (second, first)
    hour = time.strftime("%H:")
    assert said[other.pid].startswith(f"waiting for the training of process {holder.pid}, started {hour}")
    holder.kill()
    assert other.stdout is not None and other.stdout.readline() == "waits\n"


@pytest.fixture
def no_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the folder that this process of pytest may have from what is cleaned."""
    monkeypatch.setattr(lifetime, "_folders", [])


@pytest.mark.usefixtures("no_folders")
def test_temporary_files_of_dead_processes_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    (tmp_path / f"unrolled-{int(ended.stdout)}-x").mkdir()
    (tmp_path / f"unrolled-{os.getppid()}-x").mkdir()
    monkeypatch.setattr(lifetime, "SOCKETS", 200)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    lifetime.own_folder()
    own = Path(tempfile.gettempdir())
    assert own.parent == tmp_path and {path.name.split("-")[1] for path in tmp_path.iterdir()} == {
        str(os.getpid()),
        str(os.getppid()),
    }
    lifetime._clean()
    assert not own.exists()


@pytest.mark.usefixtures("no_folders")
def test_a_folder_too_long_for_sockets_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("x" * 90)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    lifetime.own_folder()
    assert len(tempfile.gettempdir()) < 75 and list(long.iterdir()) == []
    lifetime._clean()


def test_without_any_folder_for_temporary_files_it_is_one_line(
    monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/proc/nowhere")
    with refused("no folder for temporary files", "set TMPDIR"):
        lifetime.own_folder()


def test_the_default_is_one_process_for_each_core_that_may_be_used() -> None:
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); " + (
        "from unrolled import processes; print(processes.count())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(SRC), "PATH": ""}, capture_output=True, text=True
    )
    assert done.stdout == "1\n", done.stderr
    assert 1 <= processes.cores() <= (os.cpu_count() or 1)


def end(number: int) -> None:
    """End as the system ends a process where memory is short."""
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_was_ended_from_outside_is_one_line(refused: Refused) -> None:
    with refused("ended from outside", "UNROLLED_WORKERS=1"):
        list(processes.side_by_side(end, [1]))
