/* SPDX-License-Identifier: MIT */
/* All signals are blocked from the first line of main() on and read from one signalfd. */
#ifndef INITD_SIGNALS_H
#define INITD_SIGNALS_H

#include "proc.h"

#include <sys/types.h>
#include <uv.h>

/*
 * Block every signal but the faults and make SIGCHLD work even if it was inherited as ignored (then
 * the kernel would reap for us and lose the exit code). Must be the first thing that PID 1 does:
 * what arrives at an init that has neither blocked nor handled it is dropped by the kernel.
 */
void signals_block(struct proc_signals *inherited);

struct signals_spec {
	void (*on_signal)(void *arg, int signum, pid_t sender);
	void *arg;
};

struct signals {
	struct signals_spec spec;
	uv_poll_t poll;
	int fd;
	pid_t self;
};

/* Read signals on the loop. 0 or a negative errno. */
int signals_start(struct signals *signals, uv_loop_t *loop, const struct signals_spec *spec);

/* Close what was started; the loop must run once more. */
void signals_stop(struct signals *signals);

#endif
