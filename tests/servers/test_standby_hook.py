# SPDX-License-Identifier: MIT
"""src/standby.py in real interpreters: at the word a spare becomes the server that a cold start would be.

There is no initd here: the test gives the archive, the channel and the notes, and says the word.
"""

import fcntl
import io
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from harness import ROOT, free_port, get, listens, wait_until

PYTHONS = {"%d.%d" % sys.version_info[:2]: os.path.realpath(sys.executable)}
for home in (".pyenv/versions", ".local/share/uv/python"):
    for path in sorted(Path.home().glob(f"{home}/*/bin/python3.*")):
        if (version := re.fullmatch(r"python(3\.(?:9|1\d))", path.name)) and os.access(path, os.X_OK):
            PYTHONS.setdefault(version[1], os.path.realpath(path))

SECONDS = 20
LEFT_OUT = {"INITD_STANDBY", "PYTHONPATH", "VIRTUAL_ENV", "AGENT_DIR", "COLUMNS", "LINES"}
ENVIRONMENT = {name: value for name, value in os.environ.items()
               if name not in LEFT_OUT and not name.startswith(("PYTEST_", "PYTHON"))}


def zipped(source):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("sitecustomize.py", source)
    return buffer.getvalue()


HOOK = (ROOT / "src" / "standby.py").read_text()
ARCHIVE = zipped(HOOK)


class Notes:
    """What servers say they have imported."""

    def __init__(self, text=""):
        memory = os.memfd_create("notes")
        self.fd = os.open(f"/proc/self/fd/{memory}", os.O_RDWR | os.O_APPEND)
        os.close(memory)
        os.write(self.fd, text.encode())

    @property
    def text(self):
        return os.pread(self.fd, 1 << 20, 0).decode()

    @property
    def names(self):
        return self.text.split()

    def close(self):
        os.close(self.fd)


class Server:
    """A process, and what it prints: in files, so that it never waits for us."""

    def __init__(self, project, words, environ, fds=()):
        self.out, self.err = (open(project.root / f"{id(self)}.{name}", "w+b") for name in ("out", "err"))
        # A shell's background job, as these tests may be one, ignores SIGINT.
        self.process = subprocess.Popen(words, cwd=project.cwd, env=environ, pass_fds=fds, stdin=subprocess.DEVNULL,
                                        stdout=self.out, stderr=self.err,
                                        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))

    def printed(self):
        texts = []
        for file in (self.out, self.err):
            file.seek(0)
            texts.append(file.read().decode())
        return texts

    def end(self):
        """Exit code, stdout, stderr."""
        code = self.process.wait(SECONDS)
        return code, *self.printed()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.out.close()
        self.err.close()


class Spare(Server):
    def __init__(self, project, words, environ, notes=None, archive=ARCHIVE, standby=None):
        archive_fd = os.memfd_create("archive")
        os.write(archive_fd, archive)
        self.channel, theirs = socket.socketpair()
        self.channel.settimeout(SECONDS)
        fds = [archive_fd, theirs.fileno(), *([notes.fd] if notes else [])]
        environ = dict(environ)
        environ["PYTHONPATH"] = ":".join([f"/proc/self/fd/{archive_fd}", *filter(None, [environ.get("PYTHONPATH")])])
        environ["INITD_STANDBY"] = standby or f"{archive_fd}:{theirs.fileno()}:{notes.fd if notes else -1}"
        super().__init__(project, words, environ, fds)
        os.close(archive_fd)
        theirs.close()

    def says(self, byte):
        assert self.channel.recv(1) == byte, self.printed()

    def warm(self):
        self.says(b"h")
        self.says(b"w")
        return self

    def go(self, **environ):
        self.channel.sendall(b"g" + b"".join(f"{name}={value}\0".encode() for name, value in environ.items()))
        self.channel.shutdown(socket.SHUT_WR)
        return self

    def close(self):
        super().close()
        self.channel.close()


class Project:
    """A venv with libraries, a project whose sources are in src, and its server in all its shapes."""

    def __init__(self, root, version, venv="venv"):
        self.root, self.version = root, version
        self.agent_dir = self.cwd = root / "src"
        self.venv = root / venv
        self.site_packages = self.venv / "lib" / f"python{version}" / "site-packages"
        base = PYTHONS[version]
        for path in (self.agent_dir, self.site_packages, self.venv / "bin"):
            path.mkdir(parents=True)
        (self.venv / "pyvenv.cfg").write_text(
            f"home = {os.path.dirname(base)}\ninclude-system-site-packages = false\n")
        self.python = self.venv / "bin" / "python"
        self.python.symlink_to(base)
        self.environ = {}
        self.started = []

    def write(self, name, text="", where=None):
        path = (where or self.agent_dir) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def library(self, name, text=""):
        """A module that tells in the plain start that it is imported; what it prints in a spare is lost."""
        return self.write(name, f"{text}\nprint('imported', __name__)\n", self.site_packages)

    def script(self, text, name="serve"):
        path = self.write(f"bin/{name}", text, self.venv)
        path.chmod(0o755)
        return path

    def begin(self, make, words, **how):
        environ = {**ENVIRONMENT, "AGENT_DIR": str(self.agent_dir), **self.environ, **how.pop("environ", {})}
        self.started.append(make(self, [str(word) for word in words], environ, **how))
        return self.started[-1]

    def plain(self, *words, **environ):
        """The command as it is without a spare."""
        return self.begin(Server, words or self.command, environ=environ).end()

    def spare(self, *words, **how):
        return self.begin(Spare, words or self.command, **how)

    def warm(self, *words, environ={}, **how):
        return self.spare(*words, **how).warm().go(**environ).end()

    @property
    def command(self):
        return [self.python, "-u", "-m", "my_agent.server"]

    def server(self, text):
        self.write("my_agent/__init__.py")
        return self.write("my_agent/server.py", text)

    def close(self):
        for server in self.started:
            server.close()


@pytest.fixture
def make_project(tmp_path):
    made = []

    def make(version, **how):
        made.append(Project(tmp_path / f"project{len(made)}", version, **how))
        return made[-1]

    yield make
    for project in made:
        project.close()


VERSIONS = sorted(PYTHONS, key=lambda version: int(version[2:]))


@pytest.fixture(params=VERSIONS)
def every(request, make_project):
    """With every Python that is found, for what an interpreter may do in its own way."""
    return make_project(request.param)


@pytest.fixture(params=sorted({VERSIONS[0], VERSIONS[-1]}))
def project(request, make_project):
    """With the oldest and the newest."""
    return make_project(request.param)


@pytest.fixture
def own(make_project):
    """With the Python of the tests, for what is the same with all."""
    return make_project("%d.%d" % sys.version_info[:2])


@pytest.fixture
def notes():
    notes = Notes()
    yield notes
    notes.close()


# ---- The server is what it is after a cold start.

REPORT = """\
import gc, json, os, re, signal, sys, threading, warnings

import lib

def at(value):
    return re.sub(" at 0x[0-9a-f]+", "", repr(value))

main = sys.modules["__main__"]

def state(fd):
    import fcntl
    return os.readlink(f"/proc/self/fd/{fd}").rpartition(".")[2], fcntl.fcntl(fd, fcntl.F_GETFD), os.get_blocking(fd)

def status(name):
    with open("/proc/self/status") as file:
        return [line for line in file if line.startswith(name)]

descriptors = [int(fd) for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")]
report = {
    "argv": sys.argv, "orig_argv": getattr(sys, "orig_argv", None), "path": sys.path, "flags": repr(sys.flags),
    "executable": sys.executable, "prefix": [sys.prefix, sys.base_prefix, sys.exec_prefix],
    "cmdline": open("/proc/self/cmdline").read(), "exe": os.readlink("/proc/self/exe"),
    "main": {name: at(value) for name, value in vars(main).items()
             if name.startswith("__") and name != "__builtins__"},
    "names": sorted(vars(main)),
    "environ": dict(os.environ), "environb": {repr(name): repr(value) for name, value in os.environb.items()},
    "types": [type(os.environ._data).__name__, os.environ._data is os.environb._data],
    "fds": [state(fd) for fd in descriptors], "numbers": descriptors, "cwd": os.getcwd(), "umask": os.umask(0o22),
    "handlers": {number: at(signal.getsignal(number)) for number in signal.valid_signals()},
    "kernel": [status(name) for name in ("SigBlk", "SigIgn", "SigCgt")],
    "threads": threading.active_count(), "tasks": len(os.listdir("/proc/self/task")),
    "meta_path": [at(finder) for finder in sys.meta_path],
    "hooks": len(sys.path_hooks), "importers": [path for path in sys.path_importer_cache if path.startswith("/proc")],
    "zips": list(sys.modules["zipimport"]._zip_directory_cache),
    "gc": [gc.isenabled(), gc.get_threshold(), gc.get_freeze_count(), gc.callbacks],
    "streams": [repr(sys.stdin), repr(sys.stdout), repr(sys.stderr), sys.stdout is sys.__stdout__],
    "customize": [repr(sys.modules.get(name)) for name in ("sitecustomize", "usercustomize")],
    "frames": [], "warnings": repr(warnings.filters), "hooks_of_sys": [repr(sys.excepthook), repr(sys.gettrace())],
    "last": hasattr(sys, "last_value"), "limit": sys.getrecursionlimit(), "exc": repr(sys.exc_info()),
    "lib": [lib.__name__, lib.__file__, at(lib.__spec__)],
}
frame = sys._getframe()
while frame:
    report["frames"].append((frame.f_code.co_filename, frame.f_code.co_name, frame.f_lineno))
    frame = frame.f_back
json.dump(report, open(os.environ["REPORT"], "w"))
print("warm" if lib.quiet else "cold", sorted(os.environ.get("CHANGED", "")))
"""
# Where standard output goes while a spare imports.
QUIET = "import os\nquiet = os.fstat(1).st_rdev == os.stat(os.devnull).st_rdev\n"


@pytest.fixture
def reporting(every):
    """A project whose server says all that it knows about itself."""
    project = every
    project.write("lib.py", QUIET, project.site_packages)
    project.server(REPORT)
    project.write("my_agent/__main__.py", REPORT)
    project.write("main.py", REPORT)
    project.write("-c.py", REPORT)
    project.write("folder/__main__.py", REPORT)
    project.write("elsewhere/deep.py", REPORT)
    (project.agent_dir / "link.py").symlink_to("elsewhere/deep.py")
    script = project.script(f"#!{project.python} -u\nimport sys\nfrom my_agent import server\nsys.exit(0)\n")
    editable_path(project)
    project.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    project.words = {"PYTHON": str(project.python), "SRC": str(project.agent_dir), "SCRIPT": str(script)}
    return project


def reports(project, start, words, **how):
    path = project.root / "report"
    path.unlink(missing_ok=True)
    project.environ["REPORT"] = str(path)
    code, out, err = start(*words, **how)
    assert code == 0, err
    return json.loads(path.read_text()), out, err


COMMANDS = {
    "-m module": ["PYTHON", "-u", "-m", "my_agent.server", "a", "-b", "", "ü"],
    "-m package": ["PYTHON", "-m", "my_agent"],
    "-mmodule": ["PYTHON", "-ummy_agent.server", "-m"],
    "-m, more options": ["PYTHON", "-OO", "-Werror::ImportWarning", "-X", "utf8", "-Xdev", "-mmy_agent.server", "-m", "x"],
    "file": ["PYTHON", "main.py", "a", "-m", "b"],
    "absolute file": ["PYTHON", "-u", "SRC/main.py"],
    "link to a file": ["PYTHON", "link.py"],
    "directory": ["PYTHON", "folder"],
    "script": ["SCRIPT", "--port", "1"],
    "-c": ["PYTHON", "-c", "import my_agent.server", "x"],
}


def words_of(project, command):
    return [re.sub("PYTHON|SRC|SCRIPT", lambda found: project.words[found[0]], word) for word in COMMANDS[command]]


@pytest.mark.parametrize("command", COMMANDS)
def test_everything_a_server_sees_is_as_after_a_cold_start(reporting, command):
    words = words_of(reporting, command)
    expected, out, err = reports(reporting, reporting.plain, words)
    assert out.split()[0] == "cold"
    report, out, err_of_spare = reports(reporting, reporting.warm, words)
    assert out.split()[0] == "warm"
    assert report == expected
    assert err_of_spare == err


def stale(project, **environ):
    def start(*words):
        spare = project.spare(*words).warm()
        project.write("lib.py", QUIET + "#\n", project.site_packages)
        return spare.go(**environ).end()

    return start


def test_a_cold_start_instead_is_one(reporting):
    words = words_of(reporting, "-m module")
    expected, _, err = reports(reporting, reporting.plain, words, CHANGED="a")
    report, out, err_of_spare = reports(reporting, stale(reporting, CHANGED="a"), words)
    assert out.split()[0] == "cold"
    assert report == expected
    assert err_of_spare == err


def test_a_python_found_by_path_and_a_former_pythonpath_stay(reporting):
    other = reporting.root / "other"
    other.mkdir()
    reporting.environ["PATH"] = f"{reporting.venv}/bin:{os.environ['PATH']}"
    reporting.environ["PYTHONPATH"] = f"{other}:{reporting.root}"
    words = ["python", "-m", "my_agent.server"]
    expected, _, _ = reports(reporting, reporting.plain, words)
    assert expected["prefix"][0] == str(reporting.venv)
    assert expected["path"][1] == str(other)
    for start, kind in (reporting.warm, "warm"), (stale(reporting), "cold"):
        report, out, _ = reports(reporting, start, words)
        assert out.split()[0] == kind
        assert report == expected


def test_only_the_recorder_and_the_notes_are_left(reporting, notes):
    words = words_of(reporting, "-m module")
    expected, _, _ = reports(reporting, reporting.plain, words)
    report, _, _ = reports(reporting, reporting.warm, words, notes=notes)
    assert report["numbers"] == [*expected["numbers"], notes.fd]
    assert report["fds"][-1][1] == fcntl.FD_CLOEXEC
    assert report["meta_path"] == ["<sitecustomize.Recorder object>", *expected["meta_path"]]
    for name in ("numbers", "fds", "meta_path"):
        del report[name], expected[name]
    assert report == expected


@pytest.mark.parametrize("text", [
    "import lib\nx = = 1\n", "import lib\nimport missing\n", "import lib\nfrom lib import missing\n",
    "import lib\ndef f():\n    raise ValueError('x')\nf()\n", "import lib, sys\nsys.exit(7)\n",
    "import lib, sys\nsys.exit('words')\n", "import lib\nraise KeyboardInterrupt\n", "import failing\n",
    "import lib\nimport os, signal\nos.kill(os.getpid(), signal.SIGINT)\nprint('still here')\n",
], ids=["syntax", "import", "from", "exception", "exit", "exit with words", "interrupt", "library", "SIGINT"])
def test_a_server_that_fails_says_the_same(own, text):
    fails_the_same(own, text)


def test_a_traceback_is_the_same(every):
    fails_the_same(every, "import lib\ndef f():\n    lib.missing()\nf()\n")


def fails_the_same(project, text):
    project.library("lib.py")
    project.library("failing.py", "import lib\nimport missing_too\n")
    project.server(text)
    main = project.write("main.py", text)
    for words in (project.command, [project.python, main]):
        code, _, err = project.plain(*words)
        assert code
        assert (code, err) == project.warm(*words)[::2]


# ---- What is imported in advance.

def preloaded(project, names, *words, **how):
    """Which of these the spare has, when the server begins."""
    code, out, err = project.warm(*words, **how)
    assert not code and not err, err
    return {name for name in names.split() if f"has {name}\n" in out}


TELL = "import sys\nfor name in sorted(sys.modules): print('has', name)\n"


def test_what_sources_import_at_module_level_is_there(every):
    for name in "abcdefghijklmnop":
        every.library(f"lib_{name}.py")
    every.library("pack/__init__.py")
    every.library("pack/sub.py")
    every.library("pack/attribute.py")
    every.library("deep/__init__.py")
    every.library("deep/er.py")
    every.server(TELL + """
sys.exit()
import lib_a, deep.er
from lib_b import x as y
try:
    import lib_c
except ImportError:
    import lib_d
else:
    import lib_p
finally:
    import lib_e
if sys.argv == 1:
    with open("x"):
        for x in y:
            import lib_f
elif x:
    import lib_g
else:
    while x:
        import lib_h
def function():
    import lib_i
async def function():
    import lib_j
class Class:
    import lib_k
if TYPE_CHECKING:
    import lib_l
else:
    import lib_m
if typing.TYPE_CHECKING:
    import lib_n
if __name__ == "__main__":
    import lib_o
from pack import sub, no_such_name
from . import own
from .own import lib_i
""")
    all_of_them = " ".join([*(f"lib_{name}" for name in "abcdefghijklmnop"),
                            "pack", "pack.sub", "pack.attribute", "deep", "deep.er"])
    expected = {*(f"lib_{name}" for name in "abcdefghmop"), "pack", "pack.sub", "deep", "deep.er"}
    assert preloaded(every, all_of_them) == expected


def test_which_files_are_read(own):
    skipped = (".hidden/a.py", "__pycache__/b.py", "node_modules/c.py", "my_venv/d.py", "tests/e.py", "test/f.py",
               "my_agent/test_g.py", "my_agent/h_test.py", "conftest.py", "my_agent/j.txt", "linked/k.py",
               "broken.py", "my_agent/fifo.py", "big.py")
    read = ("l.py", "my_agent/m.py", "my_agent/deep/er/n.py", "my_agent/latin.py", "testing/p.py", "link.py")
    for name in (*skipped, *read):
        module = re.sub(r"\W", "_", name.removesuffix(".py"))
        own.library(f"lib_{module}.py")
        own.write(name, f"import lib_{module}\n")
    own.write("my_venv/pyvenv.cfg")
    own.write("broken.py", "import lib_broken\n(")
    own.write("big.py", "import lib_big\n" + "#" * (1 << 20))
    latin = "# coding: latin-1\nimport lib_my_agent_latin # ü"
    (own.agent_dir / "my_agent/latin.py").write_bytes(latin.encode("latin-1"))
    (own.agent_dir / "my_agent/fifo.py").unlink()
    os.mkfifo(own.agent_dir / "my_agent/fifo.py")
    for name in ("linked", "link.py"):
        (own.agent_dir / name).rename(own.root / name)
        (own.agent_dir / name).symlink_to(own.root / name)
    own.server(TELL)
    names = " ".join(path.stem for path in own.site_packages.glob("*.py"))
    assert preloaded(own, names) == {f"lib_{re.sub(chr(92) + 'W', '_', name[:-3])}" for name in read}


def test_the_script_itself_is_read(own):
    own.library("lib.py")
    assert preloaded(own, "lib", own.script(f"#!{own.python}\n{TELL}import lib\n")) == {"lib"}


def test_a_package_that_is_the_command_is_there_but_not_what_runs(project):
    project.library("lib/__init__.py")
    project.library("lib/run.py", "import lib.used\n" + TELL)
    project.library("lib/used.py")
    project.library("lib/__main__.py", TELL)
    assert "imported lib\n" not in project.warm(project.python, "-m", "lib")[1]
    project.write("user.py", "import lib.run, lib.__main__\nfrom lib import run, __main__\n")
    assert preloaded(project, "lib lib.__main__", project.python, "-m", "lib") == {"lib"}
    # runpy would warn.
    assert preloaded(project, "lib lib.run", project.python, "-m", "lib.run") == {"lib"}
    assert preloaded(project, "lib lib.run", project.python, "-umlib.run") == {"lib"}


HARMLESS = {
    "prints": "import os, sys\nprint('x')\nprint('y', end='', file=sys.stderr)\nos.write(1, b'z')\nprint('w', end='')",
    "exits": "import sys\nsys.exit(3)",
    "raises": "raise ValueError('x')",
    "interrupts": "raise KeyboardInterrupt",
    "recurses": "def f(): f()\nf()",
    "half": "import lib_before\nimport no_such_module",
    "is no Python": "x = = 1",
}


@pytest.mark.parametrize("text", HARMLESS.values(), ids=HARMLESS)
def test_whatever_an_import_does_harms_nobody(own, text):
    own.write("lib.py", text, own.site_packages)
    own.library("lib_before.py")
    own.library("lib_later.py")
    own.server("import sys\nprint('lib_later' in sys.modules)\ntry:\n    import lib\nexcept BaseException:\n"
                   "    import traceback\n    traceback.print_exc()\nimport lib_later\n")
    code, out, err = own.plain()
    spare = own.spare().warm()
    assert spare.printed() == ["", ""]
    code_of_spare, out_of_spare, err_of_spare = spare.go().end()
    assert code_of_spare == code == 0
    assert out_of_spare == "True\n"
    if "print(" not in text:
        assert err_of_spare == err


def test_what_an_import_changes_stays_changed(own):
    own.library("lib.py", "import os, signal, sys\nos.environ['LIB'] = '1'\ndel os.environ['GONE']\n"
                "os.umask(0o27)\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nsignal.signal(signal.SIGINT, print)\n"
                "sys.path.append('/lib')\nsys.argv.append('lib')\n")
    own.server("import os, signal, sys, lib\nprint(os.environ['LIB'], os.environb.get(b'GONE'), os.umask(0), "
               "signal.getsignal(15), signal.getsignal(2), sys.path[-1], sys.argv[-1], len(sys.argv))\n")
    own.environ["GONE"] = "1"
    code, out, err = own.plain()
    assert (code, out.removeprefix("imported lib\n"), err) == own.warm()


def test_an_import_that_changes_the_directory_makes_the_start_a_cold_one(own):
    """-m looks there."""
    own.library("lib.py", "import os\nos.chdir('/')\n")
    own.server("import lib, os\nprint(os.getcwd())\n")
    assert own.warm() == own.plain()


class Pipe:
    """A library that waits while it is imported, until the test lets it go on."""

    def __init__(self, project):
        self.there, self.go_on = project.root / "there", project.root / "go_on"
        os.mkfifo(self.there)
        os.mkfifo(self.go_on)
        self.text = f"open({str(self.there)!r}, 'w').close()\nopen({str(self.go_on)!r}).read()\n"

    def wait(self):
        fd = os.open(self.there, os.O_RDONLY | os.O_NONBLOCK)
        assert select.select([fd], [], [], SECONDS)[0], "the library is not imported"
        os.close(fd)

    def release(self):
        def write_end():
            with suppress(OSError):
                return os.open(self.go_on, os.O_WRONLY | os.O_NONBLOCK)

        os.close(wait_until(write_end, what="the library waiting"))


def test_the_word_cuts_preloading_short(project):
    pipe = Pipe(project)
    project.library("lib_a.py", pipe.text)
    project.library("lib_b.py")
    project.server("import sys\nprint([name for name in ('lib_a', 'lib_b') if name in sys.modules])\n"
                   "import lib_a, lib_b\n")
    spare = project.spare()
    spare.says(b"h")
    pipe.wait()
    spare.go()
    pipe.release()
    assert spare.end() == (0, "['lib_a']\nimported lib_b\n", "")
    assert spare.channel.recv(1) == b""


def test_a_word_that_comes_at_once_is_heard_before_the_sources_are_read(own):
    for number in range(8):
        own.write(f"big{number}.py", "#" * 1_000_000)
    own.library("lib.py")
    own.server("import sys\nprint('lib' in sys.modules)\nimport lib\nprint(open('/proc/self/io').readline())\n")
    code, out, err = own.spare().go().end()
    n_read = int(re.fullmatch(r"False\nimported lib\nrchar: (\d+)\n\n", out)[1])
    assert (code, err) == (0, "") and n_read < 5_000_000


def test_no_more_than_2000_files_are_read(own):
    own.library("lib_1999.py")
    own.library("lib_2001.py")
    own.server(TELL)
    for number in range(2002):
        own.write(f"directory/{number:04}.py", f"import lib_{number:04}\n")
    main = own.agent_dir / "my_agent" / "server.py"
    assert preloaded(own, "lib_1999 lib_2001", own.python, main) <= {"lib_1999"}


# ---- What is never imported in advance.

def trap(project):
    """Statements that leave a trace when they are executed in advance: standard output goes nowhere then."""
    return (f"import os\nif os.fstat(1).st_rdev == os.stat(os.devnull).st_rdev:\n"
            f"    open({str(project.root / 'marker')!r}, 'a').write(__name__ + '\\n')\n")


def traces(project):
    path = project.root / "marker"
    return path.read_text() if path.exists() else ""


def editable_path(project):
    project.write("my_agent.pth", f"{project.agent_dir}\n", project.site_packages)


def editable_finder(project):
    project.write("_editable.py", f"""
import sys
from importlib.machinery import PathFinder
class Finder:
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name == "project":
            return PathFinder.find_spec(name, [{str(project.agent_dir)!r}])
sys.meta_path.append(Finder)
""", project.site_packages)
    project.write("_editable.pth", "import _editable\n", project.site_packages)


def pythonpath(project):
    project.environ["PYTHONPATH"] = str(project.agent_dir)


def working_directory(project):
    project.cwd = project.agent_dir


WAYS = [editable_path, editable_finder, pythonpath, working_directory]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_the_project_is_never_imported(project, way):
    project.cwd = project.root
    way(project)
    project.write("project/__init__.py", trap(project))
    project.write("project/sub.py", trap(project) + "import project, project.other, plugged\nfrom project import other\n")
    project.write("project/other.py", trap(project))
    project.library("plugged/__init__.py", "import project.sub\n")
    code, out, err = project.warm(project.python, "-c", "import project.sub, plugged\nprint('done')\n")
    assert (code, out, err) == (0, "imported plugged\ndone\n", "")
    assert not traces(project)


def test_a_link_among_the_libraries_is_what_it_points_to(project):
    project.write("project/__init__.py", trap(project))
    project.library("lib/__init__.py")
    for link in ("linked", "lib/linked"):
        (project.site_packages / link).symlink_to(project.agent_dir / "project")
    project.server(TELL + "import linked, lib.linked\n")
    assert preloaded(project, "lib linked lib.linked") == {"lib"}
    assert not traces(project)


def test_names_learned_from_the_project_are_not_imported(project):
    notes = Notes("project\nproject.sub\nmissing.sub\nlib\n../x\n.\n\nlib..\n")
    editable_path(project)
    project.write("project/__init__.py", trap(project))
    project.library("lib.py")
    project.server(TELL)
    assert preloaded(project, "lib project missing", notes=notes) == {"lib"}
    assert not traces(project)
    notes.close()


def test_a_namespace_of_libraries_is_imported_and_one_of_both_is_not(every):
    editable_path(every)
    every.library("theirs/lib.py")
    every.library("both/lib.py")
    every.write("both/project.py", trap(every))
    every.write("ours/project.py", trap(every))
    every.write("other.py", "import both.lib\nfrom both import project, lib\nfrom theirs import lib\n")
    every.server(TELL + "import theirs.lib, both.project, both.lib, ours.project\n"
                 "print(list(both.__path__), ours.__path__)\n")
    expected = every.plain()[1].splitlines()[-1]
    code, out, err = every.spare().warm().go().end()
    assert (code, err) == (0, "")
    assert "has theirs.lib\n" in out and "has both" not in out and "has ours" not in out
    assert out.splitlines()[-1] == expected
    assert not traces(every)


def test_a_namespace_of_the_project_becomes_a_package(own):
    own.write("ours/project.py")
    own.library("lib.py")
    own.server("import lib, ours.project\nprint(ours.__file__)\n")
    spare = own.spare().warm()
    path = own.write("ours/__init__.py")
    assert spare.go().end() == (0, f"{path}\n", "")


def test_a_venv_in_the_project_has_libraries_and_no_sources(make_project):
    project = make_project("%d.%d" % sys.version_info[:2], venv="app/.venv")
    project.agent_dir = project.cwd = project.root / "app"
    project.library("lib_a.py", "def f():\n    import lib_b\n")
    project.library("lib_c.py", "if 0: import lib_b\n")
    project.library("lib_b.py")
    project.server(TELL + "import lib_a\n")
    assert preloaded(project, "lib_a lib_b lib_c") == {"lib_a"}


def test_a_project_in_site_packages_is_no_library(own):
    own.agent_dir = own.cwd = own.site_packages / "deployed"
    own.library("lib.py")
    own.write("project.py", trap(own))
    own.write("main.py", TELL + "import lib, project\n")
    own.write("deployed.pth", f"{own.agent_dir}\n", own.site_packages)
    assert preloaded(own, "lib project", own.python, "main.py") == {"lib"}
    assert not traces(own)


@pytest.mark.parametrize("where", ["cwd", "AGENT_DIR"])
def test_the_projects_module_comes_before_a_library_of_that_name(project, where):
    project.cwd = project.root / "cwd"
    project.library("twin.py")
    project.library("lib.py", "import twin\n")
    directory = project.cwd if where == "cwd" else project.agent_dir
    project.write("twin.py", "print('the twin of the project')\n", directory)
    main = project.write("main.py", "import lib\nprint(lib.twin.__file__)\n", directory)
    project.cwd.mkdir(exist_ok=True)
    words = [project.python, main]
    expected = project.plain(*words)
    assert "the twin of the project" in expected[1]         # "imported lib", too: it is left to the server
    assert project.warm(*words) == expected


@pytest.mark.parametrize("where", ["cwd", "AGENT_DIR"])
def test_so_does_one_in_a_directory_that_the_script_puts_first(own, where):
    own.cwd = own.root / "cwd"
    own.library("twin.py")
    own.library("lib.py", "import twin\n")
    directory = own.cwd if where == "cwd" else own.agent_dir
    own.write("twin.py", "print('the twin of the project')\n", directory)
    own.cwd.mkdir(exist_ok=True)
    script = own.script(f"#!{own.python}\nimport sys\nsys.path.insert(0, {str(directory)!r})\nimport lib\n")
    expected = own.plain(script)
    assert "the twin of the project" in expected[1]
    assert own.warm(script) == expected


def test_who_takes_a_refusal_for_a_missing_module_makes_the_start_a_cold_one(project):
    editable_path(project)
    project.write("project.py", trap(project))
    project.library("lib.py", "try:\n    import project\nexcept:\n    project = None\n")
    project.server("import lib\nprint(lib.project)\n")
    expected = project.plain()
    assert project.warm() == expected
    assert not traces(project)


@pytest.mark.parametrize("how", ["source", ".env"])
def test_a_library_that_misses_a_variable_that_the_project_sets_waits_for_it(project, how):
    project.library("lib.py", "import os\nbackend = os.environ.get('LIB_BACKEND', 'default')\n")
    project.library("other.py", "import os\nbackend = os.getenv('OTHER_BACKEND', 'default')\n")
    if how == ".env":
        project.write(".env", "LIB_BACKEND=mine\n")
        setting = "os.environ.update([open('.env').read().strip().split('=')])"
    else:
        setting = "os.environ['LIB_BACKEND'] = 'mine'"
    project.server(f"import os, sys\nprint('lib' in sys.modules, 'other' in sys.modules)\n{setting}\n"
                   "import lib, other\nprint(lib.backend, other.backend)\n")
    assert project.warm() == (0, "False True\nimported lib\nmine default\n", "")


def test_gevent_has_to_be_first(own):
    own.library("gevent/__init__.py")
    own.library("gevent/monkey.py")
    own.library("lib.py")
    own.server("import sys\nprint('lib' in sys.modules)\nimport gevent.monkey\nimport lib\n")
    own.write("zzz.py", "import lib\n")
    expected = own.plain()
    assert expected[1].startswith("False")
    assert own.warm() == expected


# ---- Yesterday's spare starts cold.

def touch_library(project):
    path = project.site_packages / "lib.py"
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 1))


def replace_library(project):
    path = project.site_packages / "lib.py"
    copy = path.with_name("copy")
    shutil.copy2(path, copy)
    copy.rename(path)


def remove_library(project):
    (project.site_packages / "lib.py").rename(project.site_packages / "lib" / "__init__.py")


def installed(project):
    (project.site_packages / "new-1.0.dist-info").mkdir()


def uninstalled(project):
    (project.site_packages / "old").rmdir()


def path_file(project):
    project.write("some.pth", "#\n", project.site_packages)


def in_agent_dir(name):
    def change(project):
        project.write(name, "changed = 1\n")
    change.__name__ = name
    return change


def in_parent(name):
    def change(project):
        project.write(name, "changed = 1\n", project.root)
    change.__name__ = f"../{name}"
    return change


def shadow(project):
    project.write("lib.py", "print('the project has this too')\n")


def shadow_by_package(project):
    project.write("lib/__init__.py", "print('the project has this too')\n")


def nothing(project):
    pass


def edit(project):
    project.server((project.agent_dir / "my_agent" / "server.py").read_text() + "print('edited')\n")


def new_source(project):
    project.write("my_agent/new.py", "import lib\n")
    project.write("new.py", "import lib\n")


def bytecode(project):
    (project.site_packages / "__pycache__").mkdir()
    (project.agent_dir / "__pycache__").mkdir()


YESTERDAY = [touch_library, replace_library, remove_library, installed, uninstalled, path_file,
             in_agent_dir("pyproject.toml"), in_parent("pyproject.toml"), in_parent("uv.lock"),
             in_parent("poetry.lock"), in_agent_dir("requirements.txt"), in_parent("requirements-dev.txt"),
             in_parent(".env"), in_agent_dir(".env"), shadow, shadow_by_package]
TODAY = [nothing, edit, new_source, bytecode, in_agent_dir("README.md"), in_parent("notes.txt")]


def is_cold_after(project, change):
    project.write("lib.py", "print('imported', __name__)\n", project.site_packages)
    (project.site_packages / "old").mkdir()
    (project.site_packages / "lib").mkdir()
    project.write("some.pth", "", project.site_packages)
    project.write("pyproject.toml", "", project.root)
    project.server("import lib\nimport os\nprint(os.getpid())\n")
    project.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    spare = project.spare().warm()
    change(project)
    code, out, err = spare.go().end()
    assert (code, err) == (0, "")
    # It is the same process in any case.
    assert str(spare.process.pid) in out.split()
    return out.splitlines()[0] in ("imported lib", "the project has this too")


@pytest.mark.parametrize("change", YESTERDAY, ids=lambda change: change.__name__)
def test_a_change_of_what_is_installed_makes_the_start_a_cold_one(own, change):
    assert is_cold_after(own, change)


@pytest.mark.parametrize("change", TODAY, ids=lambda change: change.__name__)
def test_a_change_of_the_project_does_not(own, change):
    assert not is_cold_after(own, change)


def test_what_has_come_within_a_tick_of_the_clock_is_found(own):
    """What Python remembers of a directory, it takes for true while its time is the same."""
    editable_path(own)
    own.library("lib.py")
    own.write("user.py", "import lib\n")
    spare = own.spare(own.python, "-c", "import lib, new").warm()
    before = own.agent_dir.stat()
    own.write("new.py")
    os.utime(own.agent_dir, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert spare.go().end() == (0, "", "")


def test_a_change_while_a_library_is_imported_is_seen(project):
    pipe = Pipe(project)
    path = project.library("lib_a.py", pipe.text + "version = 1\n")
    project.server("import os, lib_a\nprint(lib_a.version)\n")
    spare = project.spare()
    spare.says(b"h")
    pipe.wait()
    project.write("lib_a.py", "version = 2\n", project.site_packages)
    pipe.release()
    spare.says(b"w")
    assert path.exists()
    assert spare.go().end() == (0, "2\n", "")


def test_a_venv_made_anew_is_the_one_that_is_started(own):
    own.library("lib.py")
    own.server("import lib\n")
    spare = own.spare().warm()
    own.python.unlink()
    own.script(f"#!/bin/sh\nWRAPPED=1 exec {PYTHONS[own.version]} \"$@\"\n", "python")
    installed(own)
    own.server("import os\nprint(os.environ['WRAPPED'])\n")
    assert spare.go().end()[1] == "1\n"


def test_a_cold_start_has_what_the_command_began_with(own):
    """Not what imports have made of it."""
    own.library("lib.py", "import os\nos.environ['LIB'] = '1'\nos.chdir('/')\n")
    own.server("import os\nprint(os.environ.get('LIB'), os.getcwd(), os.environ['NEW'])\nimport lib\n")
    spare = own.spare().warm()
    installed(own)
    assert spare.go(NEW="x").end() == (0, f"None {own.cwd} x\nimported lib\n", "")


# ---- The word, and what else may come.

def test_the_word_brings_variables_and_takes_some_away(project):
    project.environ.update(GONE="1", CHANGED="before", KEPT="1")
    project.library("lib.py")
    project.server("import os\nimport lib\nnames = b'BYTES CHANGED EMPTY GONE KEPT NEW'.split()\n"
                   "print({k: os.environb[k] for k in names if k in os.environb}, os.popen('echo $NEW$GONE').read())\n")
    for stale in (False, True):
        spare = project.spare().warm()
        if stale:
            installed(project)
        spare.channel.sendall(b"g")
        for part in (b"NEW=a=b", b"\0GONE\0CHANGED=after\0EMPTY=\0", b"BYTES=\xff\0NEVER\0"):
            spare.channel.sendall(part)
        spare.channel.shutdown(socket.SHUT_WR)
        code, out, err = spare.end()
        assert (code, err) == (0, "")
        assert out.removeprefix("imported lib\n") == ("{b'BYTES': b'\\xff', b'CHANGED': b'after', b'EMPTY': b'', "
                                                      "b'KEPT': b'1', b'NEW': b'a=b'} a=b\n\n")


def blocked_spare(project, notes=None):
    project.library("lib.py")
    project.server("import lib\nprint('must not run')\n")
    spare = project.spare(notes=notes).warm()
    wait_until(lambda: reads(spare), what="the spare in read(2)")
    return spare


def reads(spare):
    """Whether its only thread is in read(2)."""
    pid = spare.process.pid
    tasks = os.listdir(f"/proc/{pid}/task")
    return tasks == [str(pid)] and Path(f"/proc/{pid}/syscall").read_text().split()[0] == {
        "x86_64": "0", "aarch64": "63"}[os.uname().machine]


def test_a_spare_that_waits_takes_no_cpu(project):
    spare = blocked_spare(project)
    proc = Path(f"/proc/{spare.process.pid}")

    def spent():
        fields = (proc / "stat").read_text().rpartition(")")[2].split()
        switches = re.findall(r"ctxt_switches:\s+(\d+)", (proc / "status").read_text())
        return fields[11:13], switches

    assert (proc / "timers").read_text() == ""
    before = spent()
    spare.channel.settimeout(0.3)
    with pytest.raises(TimeoutError):
        spare.channel.recv(1)
    assert spent() == before
    assert reads(spare)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_signals_end_it_in_silence(own, name):
    spare = blocked_spare(own)
    spare.process.send_signal(signal.Signals[name])
    assert spare.end() == (-signal.Signals[name], "", "")


def test_an_ignored_sigint_stays_ignored(own):
    own.library("lib.py")
    own.server("import signal, lib\nprint(signal.getsignal(signal.SIGINT))\n")
    words = ["/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh", *own.command]
    assert own.warm(*words) == (0, f"{signal.SIG_IGN}\n", "")


@pytest.mark.parametrize("read", [True, False], ids=["read", "unread"])
def test_the_end_of_initd_is_its_end(project, read):
    project.library("lib.py")
    project.server("import lib\nprint('must not run')\n")
    spare = project.spare()
    spare.says(b"h")
    if read:
        spare.says(b"w")
    spare.channel.close()
    assert spare.end() == (0, "", "")


def test_an_end_without_a_word_is_an_end(own):
    spare = blocked_spare(own)
    spare.channel.shutdown(socket.SHUT_WR)
    assert spare.end() == (0, "", "")


def test_another_word_is_an_end(own):
    spare = blocked_spare(own)
    spare.channel.sendall(b"x=1\0")
    spare.channel.shutdown(socket.SHUT_WR)
    assert spare.end() == (0, "", "")


def test_the_end_while_it_imports(project):
    pipe = Pipe(project)
    project.library("lib.py", pipe.text)
    project.server("import lib\nprint('must not run')\n")
    spare = project.spare()
    spare.says(b"h")
    pipe.wait()
    spare.channel.close()
    pipe.release()
    assert spare.end() == (0, "", "")


@pytest.mark.parametrize("standby", ["x", "999:998:997", "0:1:2:3"])
def test_without_a_good_offer_it_is_a_cold_start(every, standby):
    every.library("lib.py")
    every.server("import os, sys, lib\nprint([k for k in os.environ if 'STANDBY' in k or k == 'PYTHONPATH'], "
                   "[p for p in sys.path if p.startswith('/proc')], 'sitecustomize' in sys.modules)\n")
    code, out, err = every.begin(Spare, every.command, standby=standby).end()
    assert (code, out, err) == (0, "imported lib\n[] [] False\n", "")


def test_without_any_offer_too(own):
    own.server("import sys\nprint('sitecustomize' in sys.modules)\n")
    own.write("sitecustomize.py", HOOK, own.root / "hook")
    own.environ["PYTHONPATH"] = str(own.root / "hook")
    assert own.plain() == (0, "False\n", "")


# ---- sitecustomize of the user.

CUSTOMIZE = {
    "good": "import os, sys\nprint('customized', os.environ.get('GO'), 'lib' in sys.modules, __file__)\n",
    "raises": "raise ValueError('x')\n",
    "misses": "import missing\n",
    "misses itself": "raise ImportError('x', name='sitecustomize')\n",
}


@pytest.mark.parametrize("text", CUSTOMIZE.values(), ids=CUSTOMIZE)
@pytest.mark.parametrize("name", ["sitecustomize", "usercustomize"])
def test_hooks_of_the_user_run_after_the_word_and_before_all_else(project, text, name):
    if name == "usercustomize":
        config = project.venv / "pyvenv.cfg"
        config.write_text(config.read_text().replace("false", "true"))      # without it there is no usercustomize
    where = project.root / "path"
    project.environ["PYTHONPATH"] = str(where)
    project.write(f"{name}.py", text, where)
    project.library("lib.py")
    project.server(f"import sys, lib\nprint(sys.modules.get('{name}'))\n")
    code, out, err = project.plain(GO="1")
    assert "customized 1 False" in out or "Error in" in err or text == CUSTOMIZE["misses itself"]
    spare = project.spare().warm()
    assert spare.printed() == ["", ""]
    assert spare.go(GO="1").end() == (code, out, err)


# ---- Learning.

LAZY = "import sys\nprint('lib_lazy' in sys.modules)\ndef f():\n    import lib_lazy.sub\nf()\n"


def test_a_spare_learns_from_the_server_before_it(every, notes):
    every.library("lib_lazy/__init__.py")
    every.library("lib_lazy/sub.py")
    every.server(LAZY)
    assert every.warm(notes=notes) == (0, "False\nimported lib_lazy\nimported lib_lazy.sub\n", "")
    text = notes.text
    assert {"my_agent", "my_agent.server", "lib_lazy", "lib_lazy.sub"} <= set(notes.names)
    assert notes.text.endswith("\n") and len(set(notes.names)) == len(notes.names)
    os.lseek(notes.fd, 5, os.SEEK_SET)
    for _ in range(2):
        assert every.warm(notes=notes) == (0, "True\n", "")
        assert notes.text == text


def test_notes_end_at_64_kb(own):
    notes = Notes("x" * 65530 + "\n")
    own.library("lib.py")
    own.server("def f():\n    import lib, missing\ntry:\n    f()\nexcept ImportError:\n    pass\n")
    assert own.warm(notes=notes)[0] == 0
    assert 65536 <= len(notes.text) < 65600
    text = notes.text
    assert own.warm(notes=notes)[0] == 0
    assert notes.text == text
    notes.close()


def test_notes_are_not_written_to_another_file(own, notes):
    own.library("lib.py")
    own.server(f"import os\nfile = os.open('file', os.O_CREAT | os.O_RDWR)\nos.dup2(file, {notes.fd})\n"
               "def f():\n    import lib\nf()\n")
    assert own.warm(notes=notes)[0] == 0
    assert (own.cwd / "file").read_text() == ""


def test_a_server_without_its_notes_runs_on(own, notes):
    own.library("lib.py")
    own.server("import os\nos.closerange(3, 100)\ndef f():\n    import lib\nf()\n")
    assert own.warm(notes=notes) == (0, "imported lib\n", "")


def test_a_worker_goes_on_noting(own, notes):
    own.library("lib.py")
    own.server("import os\nif not os.fork():\n    __import__('lib')\n    os._exit(0)\nos.wait()\n")
    assert own.warm(notes=notes)[0] == 0
    assert "lib" in notes.names


# ---- FastAPI and uvicorn.

@pytest.mark.parametrize("shape", ["-m", "script"])
def test_a_real_server(own, notes, venv, shape):
    shutil.copytree(Path(__file__).with_name("fastapi_agent"), own.agent_dir / "fastapi_agent")
    for learned in (False, True):
        port = free_port()
        words = {"-m": [venv / "bin/python", "-u", "-m", "fastapi_agent.server"],
                 "script": [venv / "bin/uvicorn", "fastapi_agent.server:app", "--host", "127.0.0.1", "--port", port]}
        before = len(notes.names)
        own.environ.update(HOST="127.0.0.1", PORT=str(port))
        spare = own.spare(*words[shape], notes=notes).warm().go()
        wait_until(lambda: listens(port) or spare.process.poll() is not None, timeout=SECONDS)
        assert get(port, "/health").status == 200, spare.printed()
        assert "fastapi" not in notes.names and "fastapi_agent.server" in notes.names
        if learned:
            assert len(notes.names) == before
        spare.process.terminate()
        assert spare.end()[0] in (-signal.SIGTERM, 128 + signal.SIGTERM)
