/* SPDX-License-Identifier: MIT */
/* One server: how it is started, signalled, and how it ended. */
#include "server.h"

#include "oom.h"
#include "parse.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int
server_start(struct server *server, bool foreground, enum proc_stage *stage)
{
	const struct proc_spec spec = {
		.argv = server->spec.argv,
		.env = server->spec.env,
		.listen_pid = server->spec.listen_pid,
		.working_dir = server_next_dir(server),
		.signals = server->spec.signals,
		.foreground = foreground,
		.die_with_parent = server->spec.die_with_parent,
		.pass_fd = server->spec.pass_fd,
		.in_child = server->spec.in_child,
		.in_child_arg = server->spec.in_child_arg,
	};
	pid_t pid = proc_spawn(&spec, stage);

	if (pid < 0)
		return pid;
	server->pid = server->group = pid;
	server->ended = server->suspended = false;
	server->starts++;
	server->oom_kills = oom_kills();
	return 0;
}

const char *
server_failure_text(const struct server *server, enum proc_stage stage, int error)
{
	char path[PATH_MAX];

	if (stage == PROC_EXEC && error == ENOENT &&
	    proc_find(server->spec.argv[0], server->spec.env, path, sizeof path))
		return "its interpreter (#! line) or loader was not found";
	if (stage == PROC_EXEC && error == ENOENT)
		return "not found";
	if (stage == PROC_EXEC && error == ENOEXEC)
		return "neither a program of this machine nor a script with a #! line";
	if (error == EAGAIN)
		return "no more processes allowed (pids limit of the container, or RLIMIT_NPROC of the user)";
	return strerror(error);
}

const char *
server_next_dir(const struct server *server)
{
	if (server->spec.working_dir)
		return server->spec.working_dir;
	return server->working_dir[0] ? server->working_dir : NULL;
}

int
server_signal(const struct server *server, int signum)
{
	if (server->pid == 0)
		return 0;
	/* A server that has left its group is still the server. */
	if (server->spec.signal_group && proc_leads_group(server->pid))
		return proc_kill_group(server->pid, signum);
	return proc_kill(server->pid, signum);
}

void
server_kill(const struct server *server)
{
	(void)proc_kill_group(server->group, SIGKILL);
	(void)proc_kill(server->pid, SIGKILL); /* it may have left its group */
}

/* A directory that the user may not enter a second time (WORKDIR /root) is kept. */
void
server_let_go(struct server *server, int from, int *keep, size_t n)
{
	proc_close_inherited(from, keep, n);
	if (access(".", X_OK) < 0 || !getcwd(server->working_dir, sizeof server->working_dir) ||
	    chdir("/") < 0)
		server->working_dir[0] = '\0';
}

bool
server_command_text(const struct server *server, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (char *const *word = server->spec.argv; *word && n < size; word++)
		n += (size_t)snprintf(buf + n, size - n, "%s%s", n ? " " : "", *word);
	return n < size;
}

void
server_end_text(const struct server *server, char *buf, size_t size)
{
	char name[16];

	if (WIFSIGNALED(server->wstatus))
		(void)snprintf(buf, size, "killed by %s%s",
		    signal_name(WTERMSIG(server->wstatus), name),
		    WCOREDUMP(server->wstatus) ? " (core dumped)" : "");
	else
		(void)snprintf(buf, size, "exit code %d", WEXITSTATUS(server->wstatus));
}

bool
server_was_oom_killed(const struct server *server)
{
	return WIFSIGNALED(server->wstatus) && WTERMSIG(server->wstatus) == SIGKILL &&
	       oom_kills() > server->oom_kills;
}
