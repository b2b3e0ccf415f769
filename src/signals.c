/* SPDX-License-Identifier: MIT */
/* All signals are blocked and read from one signalfd. */
#include "signals.h"

#include <errno.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* A fault is about the instruction that runs; blocked, the kernel kills anyway and says less. */
static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS };

static void
fill_blocked(sigset_t *set)
{
	(void)sigfillset(set);
	for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
		(void)sigdelset(set, faults[i]);
}

void
signals_block(struct proc_signals *inherited)
{
	const struct sigaction by_default = { .sa_handler = SIG_DFL };
	sigset_t blocked;

	fill_blocked(&blocked);
	(void)sigprocmask(SIG_BLOCK, &blocked, &inherited->mask);
	(void)sigaction(SIGCHLD, &by_default, &inherited->child);
}

/*
 * SIGPIPE and SIGXFSZ that our own log caused come from ourselves and mean nothing to the child;
 * nothing else in initd signals initd.
 */
static void
dispatch(const struct signals *signals, const struct signalfd_siginfo *info)
{
	if ((pid_t)info->ssi_pid == getpid() && info->ssi_signo != SIGCHLD)
		return;
	signals->spec.on_signal(signals->spec.arg, (int)info->ssi_signo, (pid_t)info->ssi_pid);
}

static void
on_readable(uv_poll_t *poll, int status, int events)
{
	struct signals *signals = poll->data;
	struct signalfd_siginfo infos[8];
	ssize_t n;

	(void)status;
	(void)events;
	n = read(signals->fd, infos, sizeof infos);
	for (size_t i = 0; n > 0 && i < (size_t)n / sizeof infos[0]; i++)
		dispatch(signals, &infos[i]);
}

int
signals_start(struct signals *signals, uv_loop_t *loop, const struct signals_spec *spec)
{
	sigset_t wanted;
	int status;

	signals->spec = *spec;
	fill_blocked(&wanted);
	(void)sigdelset(&wanted, SIGTTIN); /* about our own use of the terminal */
	(void)sigdelset(&wanted, SIGTTOU);
	signals->fd = signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC);
	if (signals->fd < 0)
		return -errno;
	status = uv_poll_init(loop, &signals->poll, signals->fd);
	if (status < 0) {
		(void)close(signals->fd);
		return status;
	}
	signals->poll.data = signals;
	return uv_poll_start(&signals->poll, UV_READABLE, on_readable);
}

void
signals_stop(struct signals *signals)
{
	uv_close((uv_handle_t *)&signals->poll, NULL);
	(void)close(signals->fd);
}
