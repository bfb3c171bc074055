"""The command line, in processes of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from simclock.systems.services import ServiceUnit, configuration

LIMIT = 60.0  # real seconds
COMMAND = [sys.executable, "-u", "-m", "simclock.systems.services"]
BEATS = """
    import asyncio, threading, sys
    from simclock.systems.services import ServiceRunner, runtime, service, stop_token

    @service(flavour=threading)
    class Beat:
        def __init__(self, name="beat", *, interval=0.01):
            self.name, self.interval = name, interval

        def run(self):
            # In one piece: there may be two at once.
            sys.stdout.write(f"{self.name} begins\\n")
            while not stop_token().wait(self.interval):
                pass
            sys.stdout.write(f"{self.name} ends\\n")

    @service(flavour=asyncio)
    class Fails:
        async def run(self):
            raise LookupError("of the service")

    @service(flavour=threading)
    class Shuts:
        def run(self):
            runtime.shutdown()

    @service(flavour=threading)
    class Stubborn:
        def run(self):
            runtime.grace = 0.01
            runtime.shutdown()
            threading.Event().wait()

    class Exits:
        def __init__(self):
            raise SystemExit("no")

    class Plain:
        def __init__(self, value=0):
            if value:
                raise ValueError(value)
"""


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a file of a configuration, beside the module `beats`."""
    (tmp_path / "beats.py").write_text(textwrap.dedent(BEATS))

    def write(text, name="config.py"):
        path = tmp_path / name
        path.write_text(textwrap.dedent(text))
        return path

    return write


def start(path, *options):
    return subprocess.Popen(
        [*COMMAND, path.name, *options],
        cwd=path.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(path, *options):
    process = start(path, *options)
    out, err = process.communicate(timeout=LIMIT)
    return process.returncode, out.splitlines(), err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_the_orderly_way(write, number):
    process = start(write("import beats\nbeat = beats.Beat()\n"))
    assert process.stdout.readline() == "beat begins\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=LIMIT)

    assert (process.returncode, out) == (0, "beat ends\n"), err
    assert err.splitlines()[-1].endswith("INFO ended")


def test_toml_names_services_and_their_arguments(write):
    pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli")
    process = start(
        write(
            """
            [[services]]
            class = "beats:Beat"

            [[services]]
            class = "beats:Beat"
            args = ["another"]
            kwargs = { interval = 0.5 }
            """,
            "config.toml",
        )
    )
    begun = {process.stdout.readline() for _ in range(2)}
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=LIMIT)

    assert begun == {"beat begins\n", "another begins\n"}
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("made", "code", "said"),
    [
        ("Shuts", 0, "ended"),
        ("Fails", 1, "terminated: background tasks failed: Fails.run (asyncio) (1 sub-exception)"),
        ("Stubborn", 3, "payloads would not stop and are abandoned: Stubborn.run (threading)"),
    ],
)
def test_exit_codes(write, made, code, said):
    returncode, _, err = run(write(f"import beats\nmade = beats.{made}()\n"))

    assert (returncode, said in err) == (code, True), err
    assert ("LookupError: of the service" in err) is (made == "Fails")


def test_help_tells_the_exit_codes():
    done = subprocess.run(
        [*COMMAND, "--help"], capture_output=True, text=True, timeout=LIMIT, check=True
    )

    assert "3  it was ended, and something would not stop" in done.stdout


@pytest.mark.parametrize(
    "arguments", [[], ["one.py", "two.py"], ["--unknown"], ["one.py", "--gra", "3"]]
)
def test_a_wrong_command_is_refused(arguments):
    done = subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=LIMIT, check=False
    )

    assert done.returncode == 2
    assert done.stderr.startswith("usage: python -m simclock.systems.services")


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--grace", "ten", "'ten' is no number of seconds from 0 to 1e9: give one such as 10"),
        ("--grace", "-1", "'-1' is no number of seconds from 0 to 1e9: give one such as 10"),
        ("--grace", "nan", "'nan' is no number of seconds from 0 to 1e9: give one such as 10"),
        ("--grace", "2e9", "'2e9' is no number of seconds from 0 to 1e9: give one such as 10"),
        ("--log-level", "loud", "invalid choice: 'LOUD' (choose from "),
    ],
)
def test_a_wrong_value_of_an_option_is_refused(write, option, value, said):
    returncode, out, err = run(write("print('never')\n"), option, value)

    assert (returncode, out) == (2, [])
    assert err.splitlines()[-1].startswith(
        f"python -m simclock.systems.services: error: argument {option}: {said}"
    )


def test_the_grace_period_may_be_given(write):
    text = """
        import threading
        from simclock.systems.services import runtime, service

        @service(flavour=threading)
        class Stubborn:
            def run(self):
                print("grace is", runtime.grace)
                runtime.shutdown()
                threading.Event().wait()

        stubborn = Stubborn()
    """
    returncode, out, _ = run(write(text), "--grace", "0.25")

    assert (returncode, out) == (3, ["grace is 0.25"])


SHUTS = "import beats\nmade = [beats.Shuts(), beats.Beat(), beats.Shuts()]\n"


def test_it_says_what_it_starts(write):
    text = "beats.runtime.adopt(beats.runtime.shutdown, flavour='threading')\n"
    _, _, err = run(write(SHUTS + text))

    names = "2 x Shuts (threading), Beat (threading), ServiceRunner.shutdown (threading)"
    assert err.splitlines()[0].endswith(f" INFO starts {names}")


@pytest.mark.parametrize(("level", "is_said"), [("info", True), ("WARNING", False)])
def test_the_level_of_the_log_may_be_given(write, level, is_said):
    returncode, _, err = run(write(SHUTS), "--log-level", level)

    assert returncode == 0
    assert bool(err) is is_said


@pytest.mark.parametrize("accepts", ["beats.runtime.accept()", "beats.ServiceRunner().accept()"])
@pytest.mark.parametrize("suffix", [".py", ".toml"])
def test_a_configuration_that_accepts_by_itself_is_refused(write, accepts, suffix):
    """By itself or in a module that it names."""
    path = write(f"import beats\nmade = beats.Shuts()\n{accepts}\n", "accepts.py")
    if suffix == ".toml":
        pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli")
        path = write("[[services]]\nclass = 'accepts:beats'\n", "config.toml")
    returncode, _, err = run(path)

    assert returncode == 2, err
    assert (
        f"RuntimeError: accept() was called while a configuration is read: {path.name}\n"
        "leave it out, for the command accepts by itself; or call it only if\n"
        '__name__ == "__main__", which a configuration is not\n'
    ) in err


def test_a_configuration_may_be_a_program_too(write):
    path = write(f"{SHUTS}if __name__ == '__main__':\n    beats.runtime.accept()\n")
    by_itself = subprocess.run(
        [sys.executable, path.name], cwd=path.parent, capture_output=True, timeout=LIMIT, check=True
    )

    assert run(path)[0] == by_itself.returncode == 0


def test_a_wrong_configuration_is_refused(write):
    returncode, out, err = run(write("raise ValueError('of the file')\n"))

    assert (returncode, out) == (2, [])
    assert "configuration error: config.py: ValueError: of the file" in err
    assert 'config.py", line 1, in <module>' in err


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("import beats\nbeats.Beat()\n", 2),
        ("import beats\n", 2),
        ("from beats import runtime\nruntime.adopt(runtime.shutdown, flavour='threading')\n", 0),
        ("raise SystemExit(7)\n", 7),
    ],
)
def test_a_configuration_that_makes_no_service_is_refused(write, text, code):
    returncode, _, err = run(write(text))

    assert returncode == code, err
    said = "configuration error: config.py: it made no service that is still there\nmake instances"
    assert (said in err) is (code == 2)


@pytest.mark.parametrize(
    ("name", "text", "frames"),
    [
        ("config.toml", "a = ", []),
        ("config.toml", "[[services]]\nclass = 'missing:Beat'\n", []),
        ("config.toml", "[[services]]\nclass = 'beats:Beat'\nargs = [1, 2, 3]\n", []),
        ("config.toml", "[[services]]\nclass = 'beats:Plain'\nargs = [3]\n", ["beats.py"]),
        ("config.py", "import beats\nbeats.Plain(3)\n", ["config.py", "beats.py"]),
        ("config.py", "a = = 3\n", ["config.py"]),
    ],
)
def test_tracebacks_have_no_frames_of_what_reads_a_configuration(write, name, text, frames):
    if name.endswith("toml"):
        pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli")
    returncode, _, err = run(write(text, name))
    files = [line.split('"')[1] for line in err.splitlines() if line.startswith('  File "')]

    assert returncode == 2
    assert [os.path.basename(file) for file in files] == frames, err


# ------------------------------------------------------------- what a configuration may get wrong


SERVICE = "[[services]]\n"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("config.yaml", "", "config.yaml: unknown kind of configuration: '.yaml'\ngive a file .py or .toml"),
        ("config.toml", "a = ", "config.toml: it is no TOML: "),
        ("config.toml", b"\xff", "config.toml: it is no TOML: "),
        ("config.toml", "", "config.toml: it names no services\nwrite a table [[services]] for each"),
        ("config.toml", "services = 7", "config.toml: it names no services\n"),
        ("config.toml", "services = [7]", "config.toml, service 1: not a service: 7\n"),
        ("config.toml", SERVICE, "config.toml, service 1: not a service: {}\n"),
        ("config.toml", f"{SERVICE}class = 'a:b'\nname = 1", "config.toml, service 1: not a service: {'class'"),
        ("config.toml", f"{SERVICE}class = 7", "config.toml, service 1: no name of a class: 7\nwrite 'module:Class'"),
        ("config.toml", f"{SERVICE}class = 'beats'", "config.toml, service 1: no name of a class: 'beats'\n"),
        ("config.toml", f"{SERVICE}class = 'missing:Beat'", "config.toml, service 1: 'missing:Beat' cannot be found: ModuleNotFoundError"),
        ("config.toml", f"{SERVICE}class = 'beats:Missing'", "config.toml, service 1: 'beats:Missing' cannot be found: AttributeError"),
        ("config.toml", f"{SERVICE}class = 'beats:Plain'", "config.toml, service 1: beats:Plain is no service\n"),
        ("config.toml", f"{SERVICE}class = 'beats:Plain'\nargs = [3]", "config.toml, service 1: beats:Plain cannot be made: ValueError: 3"),
        ("config.toml", f"{SERVICE}class = 'beats:Beat'\nargs = 3", "config.toml, service 1: args is no list or kwargs no table: 3, {}\n"),
        ("config.toml", f"{SERVICE}class = 'beats:Beat'\nkwargs = 3", "config.toml, service 1: args is no list or kwargs no table: [], 3\n"),
        ("config.py", "raise SystemExit('no station')", "config.py: SystemExit: no station"),
        ("config.toml", f"{SERVICE}class = 'beats:Exits'", "config.toml, service 1: beats:Exits cannot be made: SystemExit: no"),
        (f"{'long' * 100}.py", None, f"{'long' * 100}.py: it cannot be read: OSError: [Errno 36] File name too long"),
        ("missing.py", None, "missing.py: there is no such file\ngive the path of one"),
    ],
)  # fmt: skip
def test_a_configuration_that_is_wrong_is_named(write, monkeypatch, name, text, message):
    if name.endswith("toml"):
        pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli")
    path = write("")
    if text is not None:
        path = write("", name)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    monkeypatch.chdir(path.parent)
    monkeypatch.syspath_prepend(str(path.parent))

    with pytest.raises(configuration.ConfigurationError) as caught:
        configuration.load(name)
    sys.modules.pop("beats", None)

    assert str(caught.value).startswith(message)
    assert str(caught.value) == f"{caught.value.where}: {caught.value.what}"


def test_a_file_that_cannot_be_read_is_named(write, monkeypatch):
    pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli")
    path = write("", "config.toml")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    # By itself it would be readable to root.
    monkeypatch.setattr("pathlib.Path.read_text", refuse)
    with pytest.raises(configuration.ConfigurationError, match=r"it cannot be read: .*denied"):
        configuration.load(os.fspath(path))


def test_toml_needs_a_reader(write, monkeypatch):
    path = write("", "config.toml")
    for module in "tomllib", "tomli":
        monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(configuration.ConfigurationError, match="cannot read TOML\ninstall tomli"):
        configuration.load(os.fspath(path))


def test_the_services_of_a_file_are_kept(write):
    (kept,) = configuration.load(
        os.fspath(
            write(
                """
                from simclock.systems.services import service

                @service(flavour="threading")
                class Made:
                    def run(self): ...

                made = Made()
                assert __name__ == "__services__"
                """
            )
        )
    )

    assert isinstance(kept["made"].__service_unit__, ServiceUnit)
