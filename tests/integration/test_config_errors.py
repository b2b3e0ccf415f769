# SPDX-License-Identifier: MIT
"""What is wrong with a configuration is said in one line before anything is started."""

import json
import os

import pytest

from pidns import needs_real_root


@pytest.fixture
def refused(initd, room):
    """refused(parts, ...) asserts that initd exits 78 with one line that holds the parts, and started nothing."""

    def check(*parts, args=(), command=True, **how):
        words = ["sh", "-c", f"echo started; touch {room}/mark"] if command else []
        run = initd(*args, *words, **how)
        assert run.wait() == 78, run.transcript()
        lines = run.stderr.splitlines()
        assert len(lines) == 1, lines
        assert lines[0].startswith("initd: error: ")
        for part in parts:
            assert part in lines[0]
        assert run.stdout == ""
        assert not (room / "mark").exists()
        return lines[0]

    return check


def lives(run, out="fine\n"):
    assert run.wait() == 0, run.transcript()
    assert run.stdout == out


# The file itself

def test_a_named_file_must_exist(refused):
    refused("/nosuch/initd.ini", args=["-c", "/nosuch/initd.ini"])


def test_a_file_named_by_the_environment_must_exist(refused):
    refused("/nosuch/initd.ini", env={"INITD_CONFIG": "/nosuch/initd.ini"})


@needs_real_root
def test_a_file_that_cannot_be_read_is_an_error(refused, room):
    path = room / "secret.ini"
    path.write_text("[server]\nport = 1\n")
    path.chmod(0o600)
    refused(str(path), args=["-c", str(path)], inherit={"uid": 65534})


@needs_real_root
def test_a_default_file_that_cannot_be_read_is_an_error(refused, lab):
    etc = lab.etc(**{"initd.ini": "[server]\nport = 1\n"})
    (etc / "initd.ini").chmod(0o600)
    refused("/etc/initd.ini", etc=etc, inherit={"uid": 65534})


def test_a_directory_is_no_file(refused, room):
    refused(str(room), args=["-c", str(room)])


def test_a_fifo_is_no_file_and_is_not_waited_for(refused, room):
    os.mkfifo(room / "fifo")
    (room / "fifo").chmod(0o666)
    refused(f"{room}/fifo", args=["-c", f"{room}/fifo"])


def test_a_terminal_is_no_file(refused):
    refused("/dev/ptmx", args=["-c", "/dev/ptmx"])


def test_an_empty_file_name_is_an_error(refused):
    refused(args=["-c", ""])


# What is in it: config, line, further parts

BAD_FILES = {
    "a line of 1 MB": (b"[server]\nport = " + b"1" * 1_000_000 + b"\n", 2, []),
    "a line of 199 bytes": (b"[server]\n" + b"command = ".ljust(199, b"x") + b"\n", 2, []),
    "a comment of 199 bytes": (b"[server]\n" + b"#".ljust(199, b"x") + b"\n", 2, []),
    "a last line of 199 bytes without an end": (b"[server]\n" + b"command = ".ljust(199, b"x"), 2, []),
    "a long line that hides an option": (
        b"[server]\n" + b"command = sleep".ljust(199, b" ") + b"user = root\n", 2, []),
    "a NUL byte in a value": (b"[server]\nhost = ::1\0\n", 2, []),
    "a NUL byte at the start of a line": (b"[server]\n\0port = 1\n", 2, []),
    "an unknown section": (b"[server]\nport = 1\n[nosuch]\nport = 1\n", None, ["nosuch"]),
    "an unknown option": (b"[server]\n\n# comment\nprot = 1\n", 4, ["prot"]),
    "an option of another section": (b"[user]\nport = 1\n", 2, ["port"]),
    "an option before any section": (b"port = 1\n", 1, ["section"]),
    "a repeated option": (b"[server]\nport = 1\nport = 2\n", 3, ["server.port"]),
    "a repeated option in a repeated section": (b"[server]\nport = 1\n[log]\n[server]\nport = 1\n", 5, ["server.port"]),
    "an indented continuation line": (b"[server]\ncommand = sleep\n   10\n", 3, []),
    "a line without a value": (b"[server]\nport\n", 2, []),
    "a section without an end": (b"[server\nport = 1\n", 1, []),
    "a Latin-1 name": (b"[server]\np\xf6rt = 1\n", 2, []),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_named_with_the_line(refused, name):
    config, line, parts = BAD_FILES[name]
    message = refused(*parts, config=config)
    if line is not None:
        assert f"/initd.ini:{line}: " in message
    assert len(message) < 600
    assert message.isprintable()


GOOD_FILES = {
    "a byte order mark": b"\xef\xbb\xbf[server]\nport = 1001\n",
    "carriage returns": b"[server]\r\nport = 1001\r\n\r\n# x\r\n",
    "no end of the last line": b"[server]\nport = 1001",
    "a line of 198 bytes": b"[server]\nport = 1001\n" + b"command = ".ljust(198, b"x") + b"\n",
    "a last line of 198 bytes without an end": b"[server]\nport = 1001\n" + b"command = ".ljust(198, b"x"),
    "no blanks": b"[server]\nport=1001\n",
    "many blanks": b"[server]\n\n\nport \t = \t 1001 \t \n",
    "comments": b"# one\n; two\n[server]\n# three\nport = 1001\n",
    "a comment behind a value": b"[server]\nport = 1001 ; the port\n",
    "the same section twice": b"[server]\nhost = ::1\n[log]\nlevel = info\n[server]\nport = 1001\n",
}


@pytest.mark.parametrize("name", GOOD_FILES)
def test_a_file_may_have(initd, name):
    lives(initd("sh", "-c", "echo $PORT", config=GOOD_FILES[name]), "1001\n")


def test_an_empty_file_is_fine(initd):
    lives(initd("echo", "fine", config=""))


# Values, in each place: option, value, a part of what was expected

BAD_VALUES = [
    *(("server.port", value) for value in ("0", "65536", "8000x", "-1", "+1", "0x50", "80 81", "1e3", "8000.0",
                                           "99999999999999999999", "http")),
    *(("server.host", value) for value in ("nonsense.example", "1.2.3", "256.1.1.1", "0.0.0.0:80", ":::", "*",
                                           "http://0.0.0.0")),
    *(("server.stop_timeout", value) for value in ("5", "-1s", "5 parsecs", "1.5s", "s", "99999999999999999999s")),
    ("server.drain_delay", "soon"),
    ("server.restart_delay", "100"),
    ("server.restart_delay_max", "x"),
    ("server.signal_group", "perhaps"),
    ("server.restart", "sometimes"),
    ("server.restart_limit", "-1"),
    ("server.restart_limit", "many"),
    ("server.success_codes", "0,256"),
    ("server.success_codes", "ok"),
    ("server.stop_signal", "SIGNONE"),
    ("server.stop_signal", "0"),
    ("server.stop_signal", "65"),
    ("server.working_dir", "/nosuch/dir"),
    ("server.command", 'sh "a'),
    ("server.command", "sh 'a"),
    ("user.no_new_privs", "2"),
    ("signals.SIGHUP", "explode"),
    ("signals.SIGHUP", "SIGNONE"),
    ("signals.SIGKILL", "ignore"),
    ("signals.SIGSTOP", "ignore"),
    ("signals.SIGSEGV", "ignore"),
    ("signals.SIGCHLD", "forward"),
    ("signals.SIGNONE", "ignore"),
    ("env.PORT", "1"),
    ("env.HOST", "::1"),
    ("env.AGENT_DIR", "/tmp"),
    ("log.level", "loud"),
    ("log.format", "xml"),
]


@pytest.mark.parametrize("name, value", BAD_VALUES)
def test_a_bad_value_is_an_error_on_the_command_line(refused, name, value):
    message = refused(args=["-o", f"{name}={value}"])
    assert message.startswith(f"initd: error: -o {name}={value}: ")


@pytest.mark.parametrize("name, value", BAD_VALUES)
def test_a_bad_value_is_an_error_in_the_file(refused, name, value):
    section, _, option = name.partition(".")
    message = refused(config=f"[{section}]\n{option} = {value}\n")
    assert "/initd.ini:2: " in message
    assert option in message


@pytest.mark.parametrize("name, value", [pair for pair in BAD_VALUES if not pair[0].startswith("env.")])
def test_a_bad_value_is_an_error_in_the_environment(refused, name, value):
    variable = "INITD_" + name.upper().replace(".", "_")
    message = refused(env={variable: value})
    assert message.startswith(f"initd: error: {variable}={value}: ")


@pytest.mark.parametrize("value", ["", "0", "65536", "8000x", "-1", "+1", " 80", "80 ", "\t80", "80\n", "8 0"])
def test_a_bad_PORT_is_never_silently_the_default(refused, value):
    message = refused(env={"PORT": value})
    assert message.startswith("initd: error: PORT=")
    assert value.strip() in message


@pytest.mark.parametrize("value", ["", "nonsense.example", " 0.0.0.0", "0.0.0.0 "])
def test_a_bad_HOST_is_never_silently_the_default(refused, value):
    message = refused(env={"HOST": value})
    assert message.startswith("initd: error: HOST=")


@pytest.mark.parametrize("value", ["127.0.0.1", "0.0.0.0", "::", "::1", "localhost", "fe80::1", "::ffff:127.0.0.1"])
def test_a_good_HOST_is_exported_as_it_is(initd, value):
    lives(initd("printenv", "HOST", env={"HOST": value}), f"{value}\n")


@pytest.mark.parametrize("value", ["1", "80", "65535"])
def test_a_good_PORT_is_exported_as_it_is(initd, value):
    lives(initd("printenv", "PORT", env={"PORT": value}), f"{value}\n")


@pytest.mark.parametrize("value", ["", "/nosuch/dir", "/etc/passwd"])
def test_an_AGENT_DIR_that_somebody_set_must_be_a_directory(refused, value):
    message = refused(env={"AGENT_DIR": value})
    assert message.startswith(f"initd: error: AGENT_DIR={value}")


def test_an_agent_dir_of_the_file_must_be_a_directory(refused):
    refused("/initd.ini:2: ", "/nosuch/dir", config="[server]\nagent_dir = /nosuch/dir\n")


def test_the_default_agent_dir_need_not_exist_beside_a_command(initd):
    lives(initd("printenv", "AGENT_DIR"), "/app/src\n")


@pytest.mark.parametrize("variable", ["INITD_SERVER_PROT", "INITD_USER_NAMES", "INITD_LOG_LEVELS",
                                      "INITD_SIGNALS_SIGKILL", "INITD_SERVER_PORT_"])
def test_a_misspelt_variable_of_a_known_section_is_an_error(refused, variable):
    refused(variable, env={variable: "1"})


@pytest.mark.parametrize("name", ["server.prot", "nosuch.port", "server.", ".port"])
def test_an_unknown_option_on_the_command_line_is_named(refused, name):
    message = refused(args=["-o", f"{name}=1"])
    assert message.startswith(f"initd: error: -o {name}=1: ")


@pytest.mark.parametrize("word", ["server.port", "port", ""])
def test_an_option_word_without_a_value_is_refused(initd, word):
    run = initd("-o", word, "echo", "started")
    assert run.wait() in (64, 78)
    assert run.stderr.startswith("initd: error: ") and run.stderr.count("\n") == 1
    assert run.stdout == ""


@pytest.mark.parametrize("name, value, shown", [
    ("server.port", "\x1b[2J", "\x1b"),
    ("log.level", "a\nb", "\nb"),
    ("server.host", "a\rb", "\r"),
])
def test_a_bad_value_cannot_write_to_the_terminal(refused, name, value, shown):
    assert shown not in refused(name, args=["-o", f"{name}={value}"])


def test_a_very_long_bad_value_gives_one_short_line(refused):
    message = refused("server.port", args=["-o", "server.port=" + "9" * 100_000])
    assert len(message) < 1000


def test_an_error_of_the_configuration_has_the_format_that_the_log_was_given_until_then(initd):
    run = initd("echo", "started", config="[log]\nformat = json\n[server]\nport = 0\n")
    assert run.wait() == 78
    assert run.stderr.count("\n") == 1 and run.stdout == ""
    line = json.loads(run.stderr)
    assert line["severity"] == "ERROR"
    assert "initd.ini:4: server.port = 0: expected" in line["message"]


@pytest.mark.parametrize("value", ["yes", "no", "true", "false", "on", "off", "1", "0"])
def test_every_way_to_say_yes_and_no_is_understood(initd, value):
    lives(initd("-o", f"server.signal_group={value}", "echo", "fine"))


@pytest.mark.parametrize("value", ["0", "500ms", "2s", "1m30s", "1h"])
def test_every_way_to_say_a_duration_is_understood(initd, value):
    lives(initd("-o", f"server.stop_timeout={value}", "echo", "fine"))


@pytest.mark.parametrize("option", ["SIGHUP", "HUP", "sighup", "hup"])
@pytest.mark.parametrize("value", ["SIGUSR1", "USR1", "usr1", "forward", "ignore", "stop", "restart"])
def test_every_way_to_name_a_signal_is_understood(initd, option, value):
    lives(initd("echo", "fine", config=f"[signals]\n{option} = {value}\n"))
