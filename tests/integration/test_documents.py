# SPDX-License-Identifier: MIT
"""conf/initd.ini, the manual pages and the shells' completions say what the binary says."""

import json
import os
import pty
import re
import select
import shutil
import subprocess
import time

import pytest

from harness import ROOT, wait_until

SAMPLE = ROOT / "conf" / "initd.ini"
MAN = {name: ROOT / "man" / name for name in ("initd.8", "initd.ini.5")}
COMPLETIONS = ROOT / "conf" / "completions"
# What has no default, or is one name of many.
EXAMPLES = {"server.command", "server.working_dir", "server.stop_signal", "signals.SIGHUP", "health.target",
            "health.host_header", "watch.paths"}


def ask(binary, *words):
    return subprocess.run([binary, *words], capture_output=True, text=True, timeout=10, env={})


def options(binary, *words):
    return {row["option"]: row for row in json.loads(ask(binary, "check", "--json", *words).stdout)["options"]}


def synopses(binary):
    """The lines of --help, by subcommand; what begins with a dash has ""."""
    lines = re.findall(r"(?m)^  initd (.*)", ask(binary, "--help").stdout)
    return {re.match(r"\[?(\w*)", line)[1]: line for line in lines}


def flags(synopsis):
    return set(re.findall(r"--?[a-z]+", synopsis))


def need(program, package=None):
    return shutil.which(program) or pytest.skip(f"{program} is missing: apt-get install {package or program}")


# ---- conf/initd.ini ----

def sample_options():
    """The options of the sample with their values, as they are when somebody switches them on."""
    found, section = {}, None
    for line in SAMPLE.read_text().splitlines():
        if header := re.fullmatch(r"\[(\w+)\]", line):
            section = header[1]
        elif option := re.fullmatch(r";(\w+) = (.*)", line):
            found[f"{section}.{option[1]}"] = option[2]
    return found


def test_the_sample_has_every_option_at_its_default(initd_binary):
    defaults = options(initd_binary, "-c", "/dev/null", "true")
    sample = sample_options()
    assert sample.keys() == defaults.keys() | EXAMPLES
    for name, value in sample.items():
        if name not in EXAMPLES:
            assert value == defaults[name]["value"], name


def test_the_sample_as_it_is_changes_nothing(initd_binary):
    sample = options(initd_binary, "-c", str(SAMPLE), "true")
    assert {row["origin"] for row in sample.values()} == {"default"}


def test_every_line_of_the_sample_is_good_when_switched_on(initd_binary, tmp_path):
    path = tmp_path / "initd.ini"
    path.write_text(re.sub(r"(?m)^;(\w+ = )", r"\1", SAMPLE.read_text()))
    switched_on = options(initd_binary, "-c", str(path))
    for name, value in sample_options().items():
        assert switched_on[name]["value"] == value
        assert switched_on[name]["origin"].startswith(f"{path}:")


# ---- the manual pages ----

def read_page(name):
    """The page as one reads it, without a line's end within a paragraph."""
    words = [need("mandoc"), "-T", "ascii", "-O", "width=1000", MAN[name]]
    text = subprocess.run(words, capture_output=True, text=True, timeout=10, check=True).stdout
    return re.sub(r".\x08", "", text)


def read_section(name, title):
    return re.search(rf"(?ms)^{title}\n(.*?)(?=^\S)", read_page(name))[1]


@pytest.mark.parametrize("page", MAN)
def test_a_page_is_good_mdoc(page):
    words = [need("mandoc"), "-T", "lint", "-W", "warning", MAN[page]]
    assert subprocess.run(words, capture_output=True, text=True, timeout=10).stdout == ""


@pytest.mark.parametrize("page", MAN)
def test_a_page_is_shown_without_a_warning(page):
    words = [need("groff", "groff-base"), "-mandoc", "-T", "utf8", "-ww", MAN[page]]
    result = subprocess.run(words, capture_output=True, text=True, timeout=30)
    assert result.stderr == ""
    assert result.returncode == 0
    assert "NAME" in result.stdout


def test_the_page_of_the_file_has_every_option_in_order_with_its_default(initd_binary):
    entries = re.findall(r"(?ms)^\.It Ic ([a-z]+\.\w+) No = (.*?)(?=^\.It Ic [a-z]+\.|^\.Ss|^\.Sh)",
                         MAN["initd.ini.5"].read_text())
    defaults = options(initd_binary, "-c", "/dev/null", "true")
    many = ["signals.SIGNAL", "env.NAME"]
    assert [name for name, _ in entries if name not in many] == list(defaults)
    assert set(many) <= dict(entries).keys()
    for name, text in entries:
        said = re.search(r"^The default is\n\.Cm (\S+) \.$", text, re.M)
        if name in defaults and name not in EXAMPLES:
            assert said and said[1] == defaults[name]["value"], name
        elif name in defaults:
            assert "The default is" in text and not said, name


def test_the_page_of_the_file_has_the_patterns_that_are_built_in():
    text = re.sub(r"\s", "", read_page("initd.ini.5"))
    source = (ROOT / "src" / "patterns.c").read_text()
    lists = re.findall(r"const char patterns_\w+\[\] =\s*((?:\s*\".*\")+);", source)
    assert len(lists) == 2
    for strings in lists:
        assert "standsfor" + "".join(re.findall(r'"(.*?)"', strings)) in text


def test_the_page_of_the_command_has_the_synopsis_of_help(initd_binary):
    page = [re.sub(r"\s+", " ", f" initd{line}").strip()
            for line in read_section("initd.8", "SYNOPSIS").split(" initd")[1:]]
    for line in synopses(initd_binary).values():
        line = re.sub(r"\]\.\.\.", " ...]", f"initd {line.lower()}")
        assert page.pop(0) == line
    assert page == []


def test_the_page_of_the_command_tells_of_every_subcommand_and_flag(initd_binary):
    text = read_section("initd.8", "DESCRIPTION")
    for name, synopsis in synopses(initd_binary).items():
        entry = re.search(rf"(?ms)^     {name}\b.*?(?=^     \w|\Z)" if name else r"(?s).*", text)
        assert entry, name
        for flag in flags(synopsis) - {"-c", "-o"}:
            assert re.search(rf"(?m)^ +(--\w+, )?{flag}\b", entry[0]), (name, flag)
    assert all(re.search(rf"(?m)^     {flag} ", text) for flag in ("-c", "-o"))


def test_the_page_of_the_command_has_every_exit_code():
    text = read_section("initd.8", "EXIT STATUS")
    said = set(re.findall(r"(?m)^     (\d+)\b", text))
    source = (ROOT / "include" / "exit_code.h").read_text()
    assert said == set(re.findall(r"EXIT_CODE_\w+ =\s+(\d+)", source)) - {"128"} | {"137"}
    table = (ROOT / "README.md").read_text().partition("| exit code |")[2].partition("\n\n")[0]
    for line in re.findall(r"(?m)^\| ([\d, ]+) \|", table):
        assert set(line.split(", ")) <= said


def test_the_page_of_the_command_has_every_state():
    text = read_section("initd.8", "DESCRIPTION").partition("The states of the server are:")[2]
    source = (ROOT / "src" / "answers.c").read_text()
    states = re.search(r"(?s)^state_text\(.*?^\}", source, re.M)[0]
    for state in set(re.findall(r'"(\w+)"', states)):
        assert re.search(rf"(?m)^ +{state} +\S", text), state


# ---- the completions ----

class Shell:
    """An interactive shell at a terminal. One key inserts all that it would offer, another one tells the line."""

    ALL, TELL = b"\x14", b"\x07"

    def __init__(self, words, setup, **env):
        self.terminal, slave = pty.openpty()
        self.told, tell = os.pipe()
        env = {"TERM": "dumb", "HOME": "/", "LC_ALL": "C", "TELL": str(tell), **env}
        self.process = subprocess.Popen(words, stdin=slave, stdout=slave, stderr=slave, pass_fds=[tell], env=env,
                                        cwd=env["ROOM"], start_new_session=True)
        os.close(slave)
        os.close(tell)
        self.screen = b""
        os.write(self.terminal, setup.encode() + b"\necho ready >&$TELL\n")
        assert self.read_line() == "ready"

    def read_line(self, timeout=30.0):
        line, deadline = b"", time.monotonic() + timeout
        while not line.endswith(b"\n"):
            left = max(0, deadline - time.monotonic())
            ready = select.select([self.told, self.terminal], [], [], left)[0]
            assert ready, f"the shell said nothing within {timeout} s:\n{self.screen.decode()}"
            if self.terminal in ready:
                self.screen += os.read(self.terminal, 65536)
            if self.told in ready:
                line += os.read(self.told, 65536)
        return line.decode()[:-1]

    def offers(self, line):
        """What it offers for the last word of the line, without what stands before its last = or :."""
        os.write(self.terminal, line.encode() + self.ALL + self.TELL)
        result = self.read_line()
        begin, blank, word = line.rpartition(" ")
        assert result.startswith(begin + blank), result
        if result == line:
            return set()
        stem = re.match(r"(.*[=:])?", word)[0]
        return {found.removeprefix(stem).rstrip("/=") for found in result[len(begin + blank):].split()}

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.terminal)
        os.close(self.told)


BASH = r"""
source "$COMPLETIONS/initd.bash"
bind 'set bell-style none'
bind '"\C-t": insert-completions'
bind -x '"\C-g": printf "%s\n" "$READLINE_LINE" >&$TELL; READLINE_LINE='
"""

ZSH = r"""
fpath=($COMPLETIONS $fpath); autoload -Uz compinit; compinit -D -u
zstyle ':completion:all-matches::::' completer _all_matches _complete
zstyle ':completion:all-matches:*' insert true
zle -C all-matches complete-word _generic; bindkey '^T' all-matches
tell-line() { print -r -- "$BUFFER" >&$TELL; BUFFER= }; zle -N tell-line; bindkey '^G' tell-line
"""

SHELLS = {"bash": (["--norc", "--noprofile", "-i"], BASH), "zsh": (["-f", "-i"], ZSH)}


@pytest.fixture(scope="module", params=SHELLS)
def shell(request, initd_binary, tmp_path_factory):
    """In a directory with a folder and a file. What is wrong in its environment is no matter."""
    words, setup = SHELLS[request.param]
    program, room, bin_dir = need(request.param), tmp_path_factory.mktemp("room"), tmp_path_factory.mktemp("bin")
    (bin_dir / "initd").symlink_to(initd_binary)
    (room / "folder").mkdir()
    (room / "file.ini").touch()
    shell = Shell([program, *words], setup, COMPLETIONS=str(COMPLETIONS), PATH=f"{bin_dir}:/usr/bin:/bin",
                  ROOM=str(room), HOST="nobody's", INITD_SERVER_PORT="none", INITD_CONFIG="/nosuch")
    yield shell
    shell.close()


@pytest.fixture(scope="module")
def signals(initd_binary):
    """Those that can be mapped, but for real-time ones."""
    reports = [ask(initd_binary, "check", "--json", "-o", f"signals.{n}=ignore", "true") for n in range(1, 32)]
    found = re.findall(r'"signals\.(SIG\w+)"', "".join(report.stdout for report in reports))
    assert {"SIGHUP", "SIGTERM"} <= set(found)
    return set(found)


TARGETS = {"/health", "tcp", "tcp:", "http:", "unix:"}
DIRECTORIES = {"server.agent_dir", "server.working_dir", "watch.paths"}


def test_a_shell_offers_subcommands_first_and_commands_else(shell, initd_binary):
    assert shell.offers("initd ") == synopses(initd_binary).keys() - {""}
    assert shell.offers("initd re") == {"restart"}
    for line in ("initd tru", "initd run tru", "initd check tru", "initd -c file.ini tru", "initd -- tru",
                 "initd run -o a.b=c -- tru"):
        assert "true" in shell.offers(line), line
    assert shell.offers("initd -c file.ini heal") == shell.offers("initd run whil") == set()
    for line in ("initd status ru", "initd restart ru", "initd healthcheck tcp ru"):
        assert shell.offers(line) == set(), line


def test_a_shell_offers_the_flags_of_each_subcommand(shell, initd_binary):
    lines = synopses(initd_binary)
    assert shell.offers("initd -") == flags(lines["run"]) | flags(lines[""])
    for name in lines.keys() - {""}:
        assert shell.offers(f"initd {name} -") == flags(lines[name]), name
    assert shell.offers("initd restart --w") == {"--wait"}
    for line in ("initd status --w", "initd run --v", "initd check true --j", "initd healthcheck tcp -"):
        assert shell.offers(line) == set(), line


def test_a_shell_offers_no_flag_twice_that_is_an_error_twice(shell):
    assert shell.offers("initd -c file.ini -") == {"-o"}
    assert shell.offers("initd check -o a.b=c -c file.ini -") == {"-o", "--json"}
    assert shell.offers("initd status --json -") == {"--pid"}


def test_a_shell_offers_every_option(shell, initd_binary, signals):
    every = options(initd_binary, "-c", "/dev/null", "true").keys() | {f"signals.{name}" for name in signals}
    for line in ("initd -o ", "initd run -o ", "initd healthcheck --json -o ", "initd check -c file.ini -o "):
        assert shell.offers(line) == every, line
    assert shell.offers("initd -o health.t") == {"health.target", "health.timeout"}
    assert shell.offers("initd -o health.timeout=3s -o health.t") == {"health.target"}


def test_a_shell_offers_the_values_that_the_binary_takes(shell, initd_binary, signals):
    for name in options(initd_binary, "-c", "/dev/null", "true"):
        refusal = ask(initd_binary, "check", "-c", "/dev/null", "-o", f"{name}=?", "true").stderr
        words = re.search(r"expected ((?:[\w-]+, )*[\w-]+ or [\w-]+)$", refusal)
        found = shell.offers(f"initd -o {name}=")
        if words:
            assert found == set(re.split(", | or ", words[1])), name
        elif name in DIRECTORIES:
            assert found == {"folder"}, name
        elif name == "user.name":
            assert {"root", "daemon"} <= found
        elif name == "health.target":
            assert found == TARGETS
        else:
            assert found == (signals if name == "server.stop_signal" else set()), name
    assert shell.offers("initd -o signals.SIGHUP=") == signals | {"forward", "restart", "stop", "ignore"}
    assert shell.offers("initd check -o server.restart=a") == {"always"}


def test_a_shell_offers_targets_and_files(shell):
    assert shell.offers("initd healthcheck ") == TARGETS
    assert shell.offers("initd healthcheck -c file.ini --json ht") == {"http:"}
    assert shell.offers("initd healthcheck unix:f") == {"file.ini", "folder"}
    assert shell.offers("initd -o health.target=unix:fi") == {"file.ini"}
    assert shell.offers("initd check -c fi") == {"file.ini"}
    assert shell.offers("initd run cat fi") == {"file.ini"}


def test_a_shell_offers_the_processes_there_are(shell, initd_binary):
    words = [initd_binary, "-o", f"user.name={os.getuid()}", "sleep", "60"]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as process:
        try:
            for line in "initd status --pid ", "initd restart --wait --pid ":
                wait_until(lambda: str(process.pid) in shell.offers(line))
                assert all(pid.isdigit() for pid in shell.offers(line))
        finally:
            process.terminate()


# ---- SECURITY.md

def test_every_promise_names_tests_that_there_are():
    named = re.findall(r"`(test_\w+)`", (ROOT / "SECURITY.md").read_text())
    there = {name for path in (ROOT / "tests").glob("*/test_*.py")
             for name in re.findall(r"^def (test_\w+)\(", path.read_text(), re.M)}
    assert len(named) > 20 and set(named) <= there, set(named) - there
