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
    from simclock.systems.services import runtime, service, stop_token

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
            runtime._grace = 0.01
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


def start(path):
    return subprocess.Popen(
        [*COMMAND, path.name],
        cwd=path.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(path):
    process = start(path)
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


@pytest.mark.parametrize("arguments", [[], ["one.py", "two.py"], ["--unknown"]])
def test_a_wrong_command_is_refused(arguments):
    done = subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=LIMIT, check=False
    )

    assert done.returncode == 2
    assert done.stderr.startswith("usage: python -m simclock.systems.services")


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
