# SPDX-License-Identifier: MIT
"""A spare Python that has imported the server's libraries, and waits for the word to become the server.

initd puts it as sitecustomize.py in front of sys.path: it runs before Python looks at its command. All that it
imports is C, or imported anyway: the project may have modules of its own for the rest.
"""

import _ast
import _signal
import os
import site
import sys
import time
import zipimport

NOTES_SIZE = 65536
SECONDS, FILES, FILE_SIZE, SIZE = 30, 2000, 1 << 20, 16 << 20       # limits of what is read and imported
NOT_READ = {"__pycache__", "node_modules", "test", "tests"}
LOCKS = {".env", "poetry.lock", "pyproject.toml", "uv.lock"}
FIRST = {"eventlet", "gevent"}      # want to be imported before what they patch


class Refused(BaseException):
    """No ImportError: libraries take that for a thing that is not installed."""


class Guard:
    """Finds what others find, but only libraries, and knows what their files were before they were read."""

    def __init__(self, main, agent_dir):
        self.main, self.refusals = main, 0
        libraries = [os.path.dirname(os.__file__), site.USER_SITE, *site.getsitepackages()]
        self.areas = {os.path.realpath(path): True for path in libraries if path}
        self.areas[agent_dir] = False
        specs = [getattr(module, "__spec__", None) for module in list(sys.modules.values())]
        self.files = {spec.origin: state(spec.origin) for spec in specs if spec and spec.has_location}

    def is_library(self, path):
        path = os.path.realpath(path)
        around = [area for area in self.areas if path == area or path.startswith(area + os.sep)]
        return bool(around) and self.areas[max(around, key=len)]

    def refuse(self, name):
        self.refusals += 1
        raise Refused(name)

    def find_spec(self, name, path=None, target=None):
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(name, path, target)
            if spec is None:
                continue
            # runpy does not like it if what it is to run has been imported.
            if name.endswith(".__main__") or name == self.main and spec.submodule_search_locations is None:
                self.refuse(name)
            # The project's part of a namespace may become a package.
            paths = [spec.origin] if spec.has_location else spec.submodule_search_locations or []
            if not all(map(self.is_library, paths)):
                self.refuse(name)
            if spec.has_location:
                self.files.setdefault(spec.origin, state(spec.origin))
            return spec


class Variables(dict):
    """The environment while libraries are imported: what they miss, the project may want to set first."""

    def __missing__(self, name):
        if any(name in text for text in self.texts):
            self.refuse(name)
        raise KeyError(name)


class Recorder:
    """Notes what the server looks for, and finds nothing."""

    def __init__(self, notes):
        self.notes, self.file, self.known = notes, os.fstat(notes), set(read_notes(notes))

    def find_spec(self, name, path=None, target=None):
        if name in self.known:
            return
        self.known.add(name)
        try:
            file = os.fstat(self.notes)     # another one, if the server has closed what it did not know
            if os.path.samestat(file, self.file) and file.st_size < NOTES_SIZE:
                os.write(self.notes, name.encode() + b"\n")
        except Exception:
            pass


def read_notes(notes):
    return os.pread(notes, 2 * NOTES_SIZE, 0).decode().split() if notes >= 0 else []


def state(path):
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def tells(name):
    """Whether this file says what is to be imported."""
    return name in LOCKS or name.endswith(".pth") or name.startswith("requirements") and name.endswith(".txt")


def survey(paths):
    """The states of the files that say it, and the names of all others."""
    seen = {}
    for path in paths:
        try:
            names = os.listdir(path)
        except OSError:
            continue
        for name in names:
            seen[path, name] = state(os.path.join(path, name)) if tells(name) else None
    return seen


def is_stale(guard, paths, seen):
    """Whether an import would now find something else."""
    if any(state(path) != then for path, then in guard.files.items()):
        return True
    for (path, name), _ in seen.items() ^ survey(paths).items():
        if tells(name) or name.partition(".")[0] in sys.modules:
            return True
        if guard.is_library(path) and name != "__pycache__":
            return True
    return False


def sources(first, agent_dir):
    """Directories too: who looks at each can stop in a tree of nothing else."""
    yield from first
    for path, directories, files in os.walk(agent_dir):
        yield path
        if "pyvenv.cfg" in files:
            directories.clear()
            continue
        directories[:] = sorted(name for name in directories if name[0] != "." and name not in NOT_READ)
        for name in sorted(files):
            is_test = name.startswith("test_") or name.endswith("_test.py") or name == "conftest.py"
            if name.endswith(".py") and not is_test:
                yield os.path.join(path, name)


def imports(source):
    """What a module imports when it is imported, as pairs of a module and names from it."""
    todo = [compile(source, "", "exec", _ast.PyCF_ONLY_AST, True)]
    while todo:
        node = todo.pop()
        if isinstance(node, _ast.Import):
            yield from ((alias.name, ()) for alias in node.names)
        elif isinstance(node, _ast.ImportFrom) and not node.level:
            yield from ((node.module, (alias.name,)) for alias in node.names)
        elif not isinstance(node, (_ast.FunctionDef, _ast.AsyncFunctionDef, _ast.ClassDef)):
            test = getattr(node, "test", None)
            typing = "TYPE_CHECKING" in (getattr(test, "id", ""), getattr(test, "attr", ""))
            for part in ("orelse",) if typing else ("finalbody", "orelse", "handlers", "cases", "body"):
                todo += reversed(getattr(node, part, ()))


def read(paths, is_over):
    """What the sources import, and their texts."""
    names, texts, size = [], [], 0
    for path in paths:
        if is_over() or len(texts) == FILES or size > SIZE:
            break
        try:
            if os.path.isfile(path) and os.path.getsize(path) <= FILE_SIZE:
                with open(path, "rb") as file:
                    texts.append(file.read())
                size += len(texts[-1])
                names += imports(texts[-1])
        except Exception:       # who may not read it or says that it is no Python is the server
            pass
    return names, texts


def preload(guard, names, is_over):
    """Import; return whether that was a mistake."""
    for module, attributes in names:
        if is_over():
            break
        if module.partition(".")[0] in FIRST:
            return True
        guard.refusals = 0
        try:
            __import__(module, None, None, attributes)
        except Refused:
            guard.refusals -= 1
        except BaseException:   # the server will fail the same way
            pass
        if guard.refusals:      # somebody caught it, and may have drawn conclusions
            return True
    return False


def flush():
    for stream in sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__:
        try:
            stream.flush()
        except Exception:
            pass


def mute():
    """Lose what is printed, but not on a terminal: libraries ask whether it is one."""
    flush()
    null, copies = os.open(os.devnull, os.O_WRONLY), []
    for fd in 1, 2:
        try:
            if fd != null and not os.isatty(fd):
                copies.append((fd, os.dup(fd)))
                os.dup2(null, fd)
        except OSError:     # it is closed
            pass
    os.close(null)
    return copies


def unmute(copies):
    flush()
    for fd, copy in copies:
        os.dup2(copy, fd)
        os.close(copy)


def wants_to_be_first(name):
    """Whether there is such a hook, of others than who made the Python."""
    specs = [finder.find_spec(name, None) for finder in sys.meta_path if hasattr(finder, "find_spec")]
    places = [os.path.dirname(spec.origin) for spec in specs if spec and spec.has_location]
    return any(place != os.path.dirname(os.__file__) for place in places)


def command(words):
    """The module of -m, the file, and what Python will put in front of sys.path."""
    if sys.argv[0] == "-m":
        word = os.fsdecode(words[-len(sys.argv)])       # or -mMODULE, or -umMODULE
        return word.partition("m")[2] if word[0] == "-" else word, "", os.getcwd()
    if sys.argv[0] in ("", "-c"):
        return "", "", os.getcwd()
    path = os.path.realpath(sys.argv[0])
    return "", path, path if os.path.isdir(path) else os.path.dirname(path)


def warm_up(guard, paths, front, notes, is_over):
    """Import what the server will; return whether that was a mistake."""
    copies = mute()
    environ = os.environ._data
    asked = Variables(environ)
    asked.refuse = guard.refuse
    names, asked.texts = read(paths, is_over)
    names += [(name, ()) for name in [guard.main, *read_notes(notes)] if name]
    if wants_to_be_first("sitecustomize") or wants_to_be_first("usercustomize"):
        names = []
    sys.path[:0] = front
    sys.meta_path.insert(0, guard)
    os.environ._data = os.environb._data = asked
    try:
        return preload(guard, names, is_over)
    finally:
        os.environ._data = os.environb._data = environ
        environ.clear()
        environ.update(asked)
        sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not guard]
        for path in front:
            if path in sys.path:
                sys.path.remove(path)
        unmute(copies)


def set_variables(environ, assignments):
    for assignment in assignments:
        name, separator, value = assignment.partition(b"=")
        if separator:
            environ[name] = value
        else:
            environ.pop(name, None)


def stand_by(channel, notes):
    """Return as what the word makes of this process."""
    interrupt = _signal.getsignal(_signal.SIGINT)
    if interrupt is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    os.set_blocking(channel, False)
    os.write(channel, b"h")

    word, deadline = [], time.monotonic() + SECONDS

    def is_over():
        try:
            word.append(os.read(channel, NOTES_SIZE))
        except BlockingIOError:
            pass
        return word or time.monotonic() > deadline

    with open("/proc/self/cmdline", "rb") as file:
        words = file.read().split(b"\0")[:-1]
    here, variables = os.getcwd(), dict(os.environb)
    agent_dir = os.path.realpath(os.environ.get("AGENT_DIR", here))
    main, script, ahead = command(words)
    # Where the server may have modules of its own, some of them called as a library's.
    front = [ahead, *sorted({here, agent_dir} - {ahead, *sys.path})]
    around = {here, agent_dir, os.path.dirname(agent_dir)}
    paths = around.union(sys.path, front)
    guard, seen = Guard(main, agent_dir), survey(paths)
    first = [script or os.path.join(agent_dir, *main.split(".")) + ".py"]
    first += [os.path.join(path, ".env") for path in around]
    mistake = warm_up(guard, sources(first, agent_dir), front, notes, is_over)

    if not word:
        os.write(channel, b"w")
    os.set_blocking(channel, True)
    while b"" not in word:
        word.append(os.read(channel, NOTES_SIZE))
    word = b"".join(word)
    if word[:1] != b"g":
        os._exit(0)
    assignments = word[1:].split(b"\0")[:-1]
    if mistake or os.getcwd() != here or is_stale(guard, paths, seen):
        flush()
        os.chdir(here)
        set_variables(variables, assignments)
        # The words tell Python of its venv; the interpreter there may be another one by now.
        os.execve(sys.executable or "/proc/self/exe", words, variables)

    set_variables(os.environb, assignments)
    os.close(channel)
    sys.path_importer_cache.clear()     # importlib.invalidate_caches() may have to import much
    if _signal.getsignal(_signal.SIGINT) is _signal.SIG_DFL:
        _signal.signal(_signal.SIGINT, interrupt)
    if notes >= 0:
        sys.meta_path.insert(0, Recorder(notes))


def take_over():
    """Undo what made Python run this file; return the channel and the notes, if initd has given them."""
    archive = os.path.dirname(__file__)
    first, _, rest = os.environ.get("PYTHONPATH", "").partition(":")
    if first == archive:
        del os.environ["PYTHONPATH"]
        if rest:
            os.environ["PYTHONPATH"] = rest
    if archive in sys.path:
        sys.path.remove(archive)
    sys.path_importer_cache.pop(archive, None)
    zipimport._zip_directory_cache.pop(archive, None)
    try:
        fd, channel, notes = map(int, os.environ.pop("INITD_STANDBY", "").split(":"))
        if archive != f"/proc/self/fd/{fd}":
            return None
        os.close(fd)
        os.set_inheritable(channel, False)
        if notes >= 0:
            os.set_inheritable(notes, False)
    except (ValueError, OSError):
        return None
    return channel, notes


def main():
    standby = take_over()
    if standby:
        try:
            stand_by(*standby)
        except ConnectionError:     # initd closes the channel without reading it: that is an end of file too
            os._exit(0)
        except Exception:           # never be a server without the word
            os._exit(1)
    # As site would have done: it knows what it means that there is none, and tells what is wrong with it.
    own = sys.modules.pop("sitecustomize")
    try:
        __import__("sitecustomize")
    finally:
        sys.modules.setdefault("sitecustomize", own)    # whoever loads us wants to remove it


main()
