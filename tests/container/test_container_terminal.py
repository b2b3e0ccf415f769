# SPDX-License-Identifier: MIT
"""`docker run -it`, and shells with and without a terminal."""

COUNTER = "python /opt/helpers/count_interrupts.py"


def test_ctrl_c_reaches_the_command_exactly_once(docker, agent, terminal):
    counter = terminal(docker, agent, *COUNTER.split())
    counter.says("ready")
    for count in (1, 2, 3):
        counter.type(counter.CTRL_C)
        counter.says(f"interrupt {count}")
    counter.type("\n")
    counter.says("3 in all")
    assert counter.wait() == 0


def test_a_shell_on_the_terminal_has_job_control(docker, agent, terminal):
    shell = terminal(docker, agent, "bash", "--norc")
    shell.says("$ ")
    shell.type(f"{COUNTER}\n")
    shell.says("ready")
    shell.type(shell.CTRL_Z)
    shell.says("Stopped")
    shell.type("fg\n\n")
    shell.says("0 in all")
    shell.type("exit 3\n")
    assert shell.wait() == 3
    assert "no job control" not in shell.output
    assert "cannot set terminal process group" not in shell.output


def test_ctrl_c_in_a_shell_is_for_its_job(docker, agent, terminal):
    shell = terminal(docker, agent, "bash", "--norc")
    shell.says("$ ")
    shell.type(f"{COUNTER}\n")
    shell.says("ready")
    shell.type(shell.CTRL_C)
    shell.says("interrupt 1")
    shell.type("\n")
    shell.says("1 in all")
    shell.type("exit 4\n")
    assert shell.wait() == 4


def test_a_shell_without_terminal_runs_its_words_and_complains_of_nothing(docker, agent):
    result = docker.run(agent, "bash", "-c", "echo hello from $(id -un)")
    assert (result.returncode, result.stdout) == (0, "hello from app\n")
    assert "job control" not in result.stderr


def test_a_shell_reads_its_commands_from_a_pipe(docker, agent):
    result = docker.run("--interactive", agent, "bash", input="echo one\nexit 5\n")
    assert (result.returncode, result.stdout) == (5, "one\n")
    assert "job control" not in result.stderr
