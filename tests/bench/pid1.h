/* SPDX-License-Identifier: MIT */
/* How every program here gets a process that becomes PID 1 of a PID namespace of its own. */
#ifndef BENCH_PID1_H
#define BENCH_PID1_H

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* The child dies with its parent, and the namespace with it: a run that is killed leaves none. */
static inline pid_t
pid1_fork(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid == 0)
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

#endif
