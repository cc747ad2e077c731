"""Two copies on one machine, and whatever path they are at: each has its own queue, or is told that one runs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bin" / "lib"))

from environment import ROOT, RUNNING, SOCKET_LIMIT, AlreadyRunning, only_copy, running, socket_path

HOLD = f"""
import sys, time
sys.path.insert(0, {str(ROOT / "bin" / "lib")!r})
from pathlib import Path
from environment import only_copy
with only_copy(Path(sys.argv[1])) as note:
    print("holding", flush=True)
    time.sleep(600)
"""
APP = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"here"]
"""


def can_be_bound(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))
    path.unlink()
    return True


def test_of_two_copies_in_one_folder_the_second_is_told(tmp_path: Path) -> None:
    with only_copy(tmp_path), pytest.raises(AlreadyRunning), only_copy(tmp_path):
        pass
    with only_copy(tmp_path):  # the first one has ended
        pass


def test_two_copies_in_two_folders_do_not_meet(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    with only_copy(one), only_copy(other):
        assert socket_path(one) != socket_path(other)


def test_a_copy_that_was_killed_is_in_nobodys_way(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"holding\n"
        with pytest.raises(AlreadyRunning), only_copy(tmp_path):
            pass
        other.send_signal(signal.SIGKILL)
        other.wait()
    with only_copy(tmp_path):
        pass


def test_what_a_copy_wrote_about_itself_counts_while_it_runs(tmp_path: Path) -> None:
    assert running(tmp_path) == {}
    note = tmp_path / RUNNING
    note.write_text(f'{{"pid": {os.getpid()}, "address": "http://127.0.0.1:1"}}')
    assert running(tmp_path)["address"] == "http://127.0.0.1:1"
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    note.write_text(f'{{"pid": {gone.pid}}}')
    assert running(tmp_path) == {}


def test_a_socket_lies_beside_the_data_where_its_path_is_short_and_plain() -> None:
    assert socket_path(Path("/srv/relay/var")) == Path("/srv/relay/var/queue.sock")


@pytest.mark.parametrize("name", ["n" * (SOCKET_LIMIT + 20), "with a blank", "straße"], ids=["long", "blank", "ß"])
def test_where_the_path_suits_no_socket_it_lies_in_a_private_folder_and_stays_there(tmp_path: Path, name: str) -> None:
    data = tmp_path / name
    data.mkdir()
    path = socket_path(data)
    assert path.parent != data
    assert len(str(path)) <= SOCKET_LIMIT
    assert " " not in str(path)
    assert path.parent.stat().st_mode & 0o077 == 0
    assert can_be_bound(path)
    assert socket_path(data) == path
    path.parent.rmdir()


def test_a_folder_that_others_could_have_made_is_not_believed(tmp_path: Path) -> None:
    data = tmp_path / "with a blank"
    data.mkdir()
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    theirs.chmod(0o777)
    (data / "socket-folder").write_text(str(theirs))
    path = socket_path(data)
    assert path.parent != theirs
    path.parent.rmdir()


def test_gunicorn_opens_no_control_socket_in_the_home_folder(tmp_path: Path) -> None:
    home, port = tmp_path / "home", free_port()
    home.mkdir()
    (tmp_path / "tiny.py").write_text(APP)
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "PORT": str(port), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "gunicorn", "-c", str(ROOT / "gunicorn.conf.py"), "tiny:app"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL) as gunicorn:
        try:
            wait_for(f"http://127.0.0.1:{port}")
        finally:
            gunicorn.terminate()
    assert list(home.rglob("*")) == [], "nor the folder that it would leave behind"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_for(address: str) -> None:
    give_up = time.monotonic() + 20
    while time.monotonic() < give_up:
        try:
            if requests.get(address, timeout=2).ok:
                return
        except requests.RequestException:
            time.sleep(0.05)
    raise AssertionError("gunicorn did not start")
