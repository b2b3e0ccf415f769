/* SPDX-License-Identifier: MIT */
/* The kernel's side of a child: the only fork, exec, waitpid and kill. */
#include "proc.h"

#include "env.h"
#include "exit_code.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the child says through the CLOEXEC pipe if it does not become the program. */
struct failure {
	enum proc_stage stage;
	int error;
};

/* ---- looking up a program ---- */

static const char *
search_path(char *const *env)
{
	const char *path = env_get(env, "PATH");

	return path ? path : ENV_DEFAULT_PATH;
}

/*
 * The next DIR/NAME of a search path; an empty entry is the working directory (XBD 8.3). False at
 * the end. What does not fit is passed over, as execvp(3) does.
 */
static bool
next_candidate(const char **dirs, const char *name, char *path, size_t size)
{
	while (*dirs) {
		size_t length = strcspn(*dirs, ":"), name_length = strlen(name);
		const char *dir = *dirs;

		*dirs = dir[length] ? dir + length + 1 : NULL;
		if (length + 1 + name_length + 1 > size)
			continue;
		memcpy(path, dir, length);
		if (length > 0)
			path[length++] = '/';
		memcpy(path + length, name, name_length + 1);
		return true;
	}
	return false;
}

static bool
is_program(const char *path)
{
	struct stat st;

	return access(path, X_OK) == 0 && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool
proc_find(const char *name, char *const *env, char *path, size_t size)
{
	const char *dirs = search_path(env);
	int error = ENOENT;

	if (strchr(name, '/')) {
		if ((size_t)snprintf(path, size, "%s", name) < size && is_program(path))
			return true;
		errno = access(name, F_OK) == 0 ? EACCES : ENOENT;
		return false;
	}
	while (next_candidate(&dirs, name, path, size)) {
		if (is_program(path))
			return true;
		if (access(path, F_OK) == 0)
			error = EACCES;
	}
	errno = error;
	return false;
}

/*
 * execvpe(3) with the child's PATH and without its fallback: a file that the kernel cannot execute
 * is not a shell script. Returns the errno that says most.
 */
static int
execute(char *const *argv, char *const *env)
{
	const char *dirs = search_path(env);
	char path[4096];
	int error = ENOENT;

	if (argv[0][0] == '\0')
		return ENOENT;
	if (strchr(argv[0], '/')) {
		(void)execve(argv[0], argv, env);
		return errno;
	}
	while (next_candidate(&dirs, argv[0], path, sizeof path)) {
		(void)execve(path, argv, env);
		if (errno == EACCES) {
			/* Either this file may not be executed, or its folder not be searched: /root/.local/bin. */
			if (access(path, F_OK) == 0)
				error = EACCES;
		} else if (errno != ENOENT && errno != ENOTDIR) {
			return errno;
		}
	}
	return error;
}

/* ---- starting ---- */

void
proc_set_mask(int how, uint64_t mask, uint64_t *old)
{
	(void)syscall(SYS_rt_sigprocmask, how, &mask, old, sizeof mask);
}

/* snprintf() is not async-signal-safe everywhere, and the child has only this to write. */
static void
write_pid(char *to, pid_t pid)
{
	char digits[LISTEN_PID_DIGITS];
	int n = 0;

	for (; pid > 0; pid /= 10)
		digits[n++] = (char)('0' + pid % 10);
	while (n > 0)
		*to++ = digits[--n];
	*to = '\0';
}

/* The child's 3 is where sd_listen_fds(3) says. Returns where the report goes now. */
static int
pass(int fd, int report_fd)
{
	enum {
		FIRST_PASSED = 3
	};

	if (report_fd == FIRST_PASSED)
		report_fd = fcntl(report_fd, F_DUPFD_CLOEXEC, FIRST_PASSED + 1);
	if (fd == FIRST_PASSED)
		(void)fcntl(fd, F_SETFD, 0);
	else
		(void)dup2(fd, FIRST_PASSED);
	return report_fd;
}

/* Never returns. Everything is still blocked, so the terminal's SIGTTOU cannot stop us. */
static _Noreturn void
become(const struct proc_spec *spec, pid_t parent, int report_fd)
{
	struct failure failure = { .stage = PROC_EXEC };

	(void)setpgid(0, 0);
	if (spec->foreground)
		(void)tcsetpgrp(STDIN_FILENO, getpid());
	if (spec->listen_pid)
		write_pid(spec->listen_pid, getpid());
	if (spec->die_with_parent) {
		(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != parent)
			_exit(EXIT_CODE_SIGNAL + SIGTERM); /* it died before we asked */
	}
	if (spec->working_dir && chdir(spec->working_dir) < 0) {
		failure = (struct failure){ PROC_CHDIR, errno };
	} else {
		if (spec->pass_fd > 0)
			report_fd = pass(spec->pass_fd, report_fd);
		if (spec->in_child)
			spec->in_child(spec->in_child_arg);
		if (spec->signals->child.sa_handler == SIG_IGN)
			(void)sigaction(SIGCHLD, &spec->signals->child, NULL);
		/* Last: a signal that came meanwhile acts on the program, or ends us here, but is not lost. */
		proc_set_mask(SIG_SETMASK, spec->signals->mask, NULL);
		failure.error = execute(spec->argv, spec->env);
	}
	(void)!write(
	    report_fd, &failure, sizeof failure); /* if the parent is gone, nobody needs it */
	_exit(EXIT_CODE_NOT_FOUND);
}

/*
 * vfork(2): the child borrows our memory and we wait until it has become the program, so nothing is
 * copied for the 20 lines that it runs. The pipe stays: under qemu-user and valgrind vfork is fork.
 */
pid_t
proc_spawn(const struct proc_spec *spec, enum proc_stage *stage)
{
	pid_t parent = spec->die_with_parent ? getpid() : 0;
	struct failure failure;
	pid_t pid;
	ssize_t n;
	int report[2];

	*stage = PROC_FORK;
	if (pipe2(report, O_CLOEXEC) < 0)
		return -errno;
	/* The child only makes system calls and never returns: NOLINTBEGIN(clang-analyzer-*) */
	pid = vfork();
	if (pid == 0)
		become(spec, parent, report[1]);
	/* NOLINTEND(clang-analyzer-*) */
	if (pid < 0) {
		int error = errno;

		(void)close(report[0]);
		(void)close(report[1]);
		return -error;
	}
	(void)close(report[1]);
	/* On both sides: where vfork does not wait, a signal to the group must find it. */
	(void)setpgid(pid, pid);
	do
		n = read(report[0], &failure, sizeof failure);
	while (n < 0 && errno == EINTR);
	(void)close(report[0]);
	if (n != sizeof failure)
		return pid;
	(void)waitpid(pid, NULL, 0);
	*stage = failure.stage;
	return -failure.error;
}

/* By insertion: there are few. */
static void
sort(int *fds, size_t n)
{
	for (size_t i = 1; i < n; i++)
		for (size_t k = i; k > 0 && fds[k] < fds[k - 1]; k--) {
			int fd = fds[k];

			fds[k] = fds[k - 1];
			fds[k - 1] = fd;
		}
}

static void
close_all(unsigned first, unsigned last)
{
	if (first > last || syscall(SYS_close_range, first, last, 0) == 0)
		return;
	/* Linux before 5.9, or a seccomp profile that does not know it. */
	if (last == ~0U)
		last = (unsigned)sysconf(_SC_OPEN_MAX);
	for (unsigned fd = first; fd <= last; fd++)
		(void)close((int)fd);
}

void
proc_close_inherited(int from, int *keep, size_t n)
{
	unsigned first = (unsigned)from;

	sort(keep, n);
	for (size_t i = 0; i < n; i++) {
		if (keep[i] < (int)first)
			continue;
		close_all(first, (unsigned)keep[i] - 1);
		first = (unsigned)keep[i] + 1;
	}
	close_all(first, ~0U);
}

int
proc_failure_code(enum proc_stage stage, int error)
{
	if (proc_failure_passes(stage, error))
		return EXIT_CODE_REFUSED;
	if (stage == PROC_CHDIR)
		return EXIT_CODE_CONFIG;
	return error == ENOENT || error == ENOTDIR ? EXIT_CODE_NOT_FOUND : EXIT_CODE_CANNOT_EXECUTE;
}

bool
proc_failure_passes(enum proc_stage stage, int error)
{
	return stage == PROC_FORK || error == EAGAIN || error == ENOMEM || error == EMFILE ||
	       error == ENFILE;
}

/* ---- ending ---- */

void
proc_reap(bool stops, void (*on_change)(void *arg, pid_t pid, int wstatus), void *arg)
{
	int wstatus;
	pid_t pid;

	while ((pid = waitpid(-1, &wstatus, WNOHANG | (stops ? WUNTRACED : 0))) > 0)
		on_change(arg, pid, wstatus);
}

bool
proc_has_children(void)
{
	siginfo_t info;

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static int
result(int status)
{
	return status < 0 ? -errno : 0;
}

int
proc_kill(pid_t pid, int signum)
{
	return pid > 1 ? result(kill(pid, signum)) : -ESRCH;
}

int
proc_kill_group(pid_t pgid, int signum)
{
	return pgid > 1 ? result(kill(-pgid, signum)) : -ESRCH;
}

bool
proc_leads_group(pid_t pid)
{
	return getpgid(pid) == pid;
}

bool
proc_group_is_gone(pid_t pgid)
{
	return proc_kill_group(pgid, 0) == -ESRCH;
}

/* By /proc, which may be missing; then only the group was signalled. A list of any length, PID after PID. */
static void
kill_children(int signum)
{
	char text[4096];
	pid_t pid = 0;
	ssize_t n;
	int fd;

	(void)snprintf(text, sizeof text, "/proc/self/task/%d/children", (int)getpid());
	fd = open(text, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	while ((n = read(fd, text, sizeof text)) > 0)
		for (const char *c = text; c < text + n; c++) {
			if (*c >= '0' && *c <= '9') {
				pid = pid * 10 + (*c - '0');
				continue;
			}
			(void)proc_kill(pid, signum);
			pid = 0;
		}
	(void)close(fd);
}

void
proc_stop_own_group(void)
{
	const uint64_t stop = PROC_SIGNAL_BIT(SIGTSTP);

	(void)kill(0, SIGTSTP);
	/* Default again for this moment: it stops us here, unless our group is orphaned. */
	proc_set_mask(SIG_UNBLOCK, stop, NULL);
	proc_set_mask(SIG_BLOCK, stop, NULL);
}

void
proc_kill_rest(int signum)
{
	if (getpid() == 1)
		(void)kill(-1, signum); /* the whole PID namespace but ourselves */
	else
		kill_children(signum);
}

int
proc_exit_code(int wstatus)
{
	return WIFSIGNALED(wstatus) ? EXIT_CODE_SIGNAL + WTERMSIG(wstatus) : WEXITSTATUS(wstatus);
}
