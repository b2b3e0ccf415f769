/* SPDX-License-Identifier: MIT */
/* All signals are blocked and read from one signalfd. */
#include "signals.h"

#include <errno.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BIT(signum) PROC_SIGNAL_BIT(signum)

/* A fault is about the instruction that runs; blocked, the kernel kills anyway and says less. */
static const uint64_t faults = BIT(SIGSEGV) | BIT(SIGBUS) | BIT(SIGFPE) | BIT(SIGILL) |
			       BIT(SIGTRAP) | BIT(SIGABRT) | BIT(SIGSYS);

void
signals_block(struct proc_signals *inherited)
{
	const struct sigaction by_default = { .sa_handler = SIG_DFL };

	proc_set_mask(SIG_BLOCK, ~faults, &inherited->mask);
	(void)sigaction(SIGCHLD, &by_default, &inherited->child);
}

/*
 * SIGPIPE and SIGXFSZ that our own log caused come from ourselves and mean nothing to the child;
 * nothing else in initd signals initd.
 */
static void
dispatch(const struct signals *signals, const struct signalfd_siginfo *info)
{
	if ((pid_t)info->ssi_pid == signals->self && info->ssi_signo != SIGCHLD)
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
	/* TTIN and TTOU are about our own use of the terminal: blocked, and never read. */
	const uint64_t wanted = ~(faults | BIT(SIGTTIN) | BIT(SIGTTOU));
	int status;

	signals->spec = *spec;
	signals->self = getpid();
	signals->fd =
	    (int)syscall(SYS_signalfd4, -1, &wanted, sizeof wanted, SFD_NONBLOCK | SFD_CLOEXEC);
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
