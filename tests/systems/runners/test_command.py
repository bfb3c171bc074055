"""The command line, in processes of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from simclock.systems.runners import __main__ as command
from simclock.systems.runners.app import Pynenc
from simclock.systems.runners.config import Config
from simclock.systems.runners.finding import RUNNERS

LIMIT = 60.0  # real seconds
COMMAND = [sys.executable, "-u", "-m", "simclock.systems.runners"]
SHOP = """
    import sys, threading
    from simclock.systems.runners.app import Pynenc

    app = Pynenc({
        "app_id": "shop",
        "storage_url": "sqlite:///shop.db",
        "runner_cls": "ThreadRunner",
        "stop_grace": 0.05,
    })
    in_memory = Pynenc({"runner_cls": "ThreadRunner"})
    idle = Pynenc({"storage_url": "sqlite:///shop.db"})
    lost = Pynenc({"storage_url": "sqlite:///not/there/shop.db"})
    far = Pynenc({"storage_url": "redis://user:secret@127.0.0.1:1/0"})

    @app.task
    def double(number):
        # In one piece: there may be two at once.
        sys.stdout.write(f"doubles {number}\\n")
        return 2 * number

    @app.task
    def stays():
        sys.stdout.write("stays\\n")
        threading.Event().wait()
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "shop.py").write_text(textwrap.dedent(SHOP))
    (tmp_path / "broken.py").write_text("raise LookupError('of the module')\n")
    (tmp_path / "wrong.py").write_text(
        "from simclock.systems.runners.app import Pynenc\napp = Pynenc({'stop_graze': 1})\n"
    )
    return tmp_path


def environment(more):
    # Coverage, for one, is told by the environment; settings of this machine are not wanted.
    return {n: text for n, text in os.environ.items() if not n.startswith("PYNENC__")} | more


def start(folder, *arguments, **more):
    return subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment(more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(folder, *arguments, **more):
    process = start(folder, *arguments, **more)
    out, err = process.communicate(timeout=LIMIT)
    return process.returncode, out.splitlines(), err


def of_shop(folder, *arguments):
    code, out, err = run(folder, "--app", "shop:app", *arguments)
    assert code == 0, err
    return out


def call(folder, code):
    """Call tasks, as a client does."""
    done = subprocess.run(
        [sys.executable, "-c", f"import shop\n{code}"],
        cwd=folder,
        env=environment({}),
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_runner_runs_until_a_signal_ends_it(folder, number):
    process = start(folder, "--app", "shop:app", "runner", "start")
    results = call(folder, "print(sorted(shop.double.parallelize([(1,), (2,)]).get_results(50)))")
    process.send_signal(number)
    out, err = process.communicate(timeout=LIMIT)

    assert results == ["[2, 4]"]
    assert (process.returncode, sorted(out.splitlines())) == (0, ["doubles 1", "doubles 2"]), err
    assert "ThreadRunner" in err.splitlines()[0]
    assert err.splitlines()[-1].endswith("INFO ended")
    assert "Traceback" not in err


def test_what_would_not_stop_is_told_by_the_exit_code(folder):
    process = start(folder, "--app", "shop:app", "runner", "start")
    call(folder, "shop.stays()")
    assert process.stdout.readline() == "stays\n"
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=LIMIT)

    assert process.returncode == command.ABANDONED, err
    assert "shop.stays" in err
    assert "rerouted" in of_shop(folder, "list")[0]


def test_the_runner_may_be_chosen(folder):
    process = start(folder, "--app", "shop:idle", "runner", "start", "--runner", "AsyncRunner")
    assert f"INFO starts the AsyncRunner, pid {process.pid}" in process.stderr.readline()
    assert process.stderr.readline().endswith(" runs\n")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=LIMIT)

    assert process.returncode == 0


def test_status_counts_invocations_and_names_runners(folder):
    call(folder, "shop.double(1), shop.double(2)")
    before = of_shop(folder, "status")
    process = start(folder, "--app", "shop:app", "runner", "start")
    call(folder, "shop.double(3).get_result(50)")
    meanwhile = of_shop(folder, "status")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=LIMIT)

    assert [each.split() for each in before] == [
        ["application", "shop"],
        ["registered", "2"],
        ["queue:", "2", "ready,", "0", "delayed,", "0", "claimed"],
        ["runners:", "0"],
    ]
    assert ["success", "3"] in [each.split() for each in meanwhile]
    assert meanwhile[-2] == "runners: 1"
    assert meanwhile[-1].startswith("  ThreadRunner ")
    assert meanwhile[-1].endswith(f"pid {process.pid}")


def test_list_shows_the_newest_first(folder):
    ids = call(folder, "for number in range(3): print(shop.double(number).invocation_id)")
    lines = of_shop(folder, "list")
    one = of_shop(folder, "list", "--limit", "1", "--status", "registered", "--status", "failed")
    none = of_shop(folder, "list", "--status", "failed")

    assert [each.split()[0] for each in lines] == ids[::-1]
    assert lines[0].split()[1::2] == ["registered", "shop.double"]
    assert (one, none) == (lines[:1], [])


def test_list_may_be_watched_until_a_signal(folder):
    call(folder, "shop.double(1)")
    process = start(folder, "--app", "shop:app", "list", "--watch", "0.01")
    lines = [process.stdout.readline() for _ in range(3)]
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=LIMIT)

    assert lines[0] == lines[2]
    assert (lines[1], process.returncode, err) == ("\n", 0, "")


def test_a_reader_that_goes_ends_the_watch(folder):
    call(folder, "shop.double(1)")
    process = start(folder, "--app", "shop:app", "list", "--watch", "0.01")
    process.stdout.readline()
    process.stdout.close()
    process.wait(LIMIT)

    assert (process.returncode, process.stderr.read()) == (command.UNREAD, "")
    process.stderr.close()


def test_purge_removes_all_if_it_is_meant(folder):
    call(folder, "shop.double(1), shop.double(2)")
    refused = run(folder, "--app", "shop:app", "purge")
    before = len(of_shop(folder, "list"))
    purged = of_shop(folder, "purge", "--yes")

    assert refused == (
        2,
        [],
        "error: this removes 2 invocations, also those that run\ngive --yes\n",
    )
    assert (before, purged, of_shop(folder, "list")) == (2, ["removed 2 invocations"], [])


@pytest.mark.skipif(sys.version_info < (3, 11), reason="3.10 has no tomllib to read it with")
def test_what_show_config_shows_is_a_configuration(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "shown.toml").write_text("\n".join(of_shop(folder, "show_config")))
    values = {
        "app_id": "shop",
        "storage_url": "sqlite:///shop.db",
        "runner_cls": "ThreadRunner",
        "stop_grace": 0.05,
    }

    assert Config.read(file="shown.toml") == Config.read(values)


def test_show_config_shows_no_passwords(folder):
    _, out, _ = run(folder, "--app", "shop:far", "show_config")

    assert "storage_url = 'redis://user:***@127.0.0.1:1/0'" in out


def test_verbose_logs_more(folder):
    _, _, quiet = run(folder, "--app", "shop:app", "status")
    code, _, err = run(folder, "--app", "shop:app", "-v", "status")

    assert (quiet, code) == ("", 0), err


def test_help_tells_commands_and_exit_codes():
    done = subprocess.run(
        [*COMMAND, "--help"], capture_output=True, text=True, timeout=LIMIT, check=True
    )

    assert "3  it was ended, and something would not stop" in done.stdout
    assert "purge          remove all invocations" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the following arguments are required: --app"),
        (["--app", "shop:app"], "the following arguments are required: COMMAND"),
        (["--app", "shop:app", "jump"], "argument COMMAND: invalid choice: 'jump'"),
        (["--app", "shop:app", "runner"], "the following arguments are required: COMMAND"),
        (["--app", "shop:app", "runner", "start", "--runner", "DummyRunner"], "argument --runner: invalid choice: 'DummyRunner'"),
        (["--app", "shop:app", "list", "--status", "odd"], "argument --status: invalid choice: 'odd'"),
        (["--app", "shop:app", "list", "--limit", "0"], "argument --limit: '0' is no number of invocations: give one from 1 on"),
        (["--app", "shop:app", "list", "--watch", "nan"], "argument --watch: 'nan' is no number of seconds: give one such as 2"),
        (["--app", "shop:app", "list", "--wat", "1"], "unrecognized arguments: --wat 1"),
    ],
)  # fmt: skip
def test_a_wrong_command_is_refused(capsys, arguments, said):
    with pytest.raises(SystemExit) as caught:
        command.main(arguments)
    last = capsys.readouterr().err.splitlines()[-1]

    assert caught.value.code == 2
    assert f": error: {said}" in last


@pytest.mark.parametrize(
    ("app", "arguments", "code", "said"),
    [
        ("shop", ["status"], 2, "this names no application: 'shop'\ngive module:name"),
        ("missing:app", ["status"], 2, "module 'missing' cannot be imported: ModuleNotFoundError: "),
        ("broken:app", ["status"], 2, "module 'broken' cannot be imported: LookupError: of the module"),
        ("wrong:app", ["status"], 2, "config_values: there are no such settings: stop_graze"),
        ("shop:missing", ["status"], 2, "shop has no application of this name: 'missing'\nit has: app, in_memory, idle"),
        ("shop:double", ["status"], 2, "shop has no application of this name: 'double'"),
        ("shop:in_memory", ["status"], 2, "the storage of Pynenc('pynenc') is the memory of this process: memory://"),
        ("shop:in_memory", ["list"], 2, "the storage of Pynenc('pynenc') is the memory of this process"),
        ("shop:in_memory", ["purge", "--yes"], 2, "the storage of Pynenc('pynenc') is the memory of this"),
        ("shop:in_memory", ["runner", "start"], 2, "the storage of Pynenc('pynenc') is the memory of this"),
        ("shop:idle", ["runner", "start"], 2, "a DummyRunner runs nothing\ngive --runner, or runner_cls"),
        ("shop:lost", ["status"], 1, "shop.db"),
        ("shop:far", ["status"], 1, "127.0.0.1:1"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_without_a_traceback(folder, app, arguments, code, said):
    returncode, _, err = run(folder, "--app", app, *arguments)

    assert (returncode, err.startswith("error: ")) == (code, True), err
    assert said in err
    assert "Traceback" not in err
    assert "secret" not in err


def test_a_wrong_variable_is_told(folder):
    code, out, err = run(folder, "--app", "shop:app", "status", PYNENC__STOP_GRACE="soon")

    assert (code, out) == (2, [])
    assert err.startswith("error: PYNENC__STOP_GRACE, stop_grace has no meaning: 'soon'\n")


def test_every_runner_can_be_chosen():
    app = Pynenc()
    assert isinstance(app, Pynenc)
    parser = command._parser()
    for name in RUNNERS:
        arguments = ["--app", "x:y", "runner", "start", "--runner", name]
        if name in command.PLACEHOLDERS:
            with pytest.raises(SystemExit):
                parser.parse_args(arguments)
        else:
            assert parser.parse_args(arguments).runner == name
