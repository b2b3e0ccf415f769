/* SPDX-License-Identifier: MIT */
/* Counts by ptrace the instructions or system calls from exec of an init to exec of its child. */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "pid1.h"

enum {
	MAX_CALLS = 4096,
	LIMIT_S = 60,
	SYSCALL_STOP = SIGTRAP | 0x80
};

/* INIT: up to its fork, CHILD: from there to its exec, REST: the init from its fork to its end. */
enum phase {
	PHASE_INIT,
	PHASE_CHILD,
	PHASE_REST,
	N_PHASES
};

static const char *const phase_names[N_PHASES] = { "init", "child", "rest" };

struct tally {
	uint64_t n_steps;
	size_t n_calls;
	uint64_t calls[MAX_CALLS];
};

struct trace {
	bool steps; /* single steps, else system calls */
	pid_t init;
	bool forked, execed;
	int end_status;
	struct tally tallies[N_PHASES];
};

/* What Docker leaves to root. */
static const uint64_t docker_caps =
    1ULL << CAP_CHOWN | 1ULL << CAP_DAC_OVERRIDE | 1ULL << CAP_FOWNER | 1ULL << CAP_FSETID |
    1ULL << CAP_KILL | 1ULL << CAP_SETGID | 1ULL << CAP_SETUID | 1ULL << CAP_SETPCAP |
    1ULL << CAP_NET_BIND_SERVICE | 1ULL << CAP_NET_RAW | 1ULL << CAP_SYS_CHROOT |
    1ULL << CAP_MKNOD | 1ULL << CAP_AUDIT_WRITE | 1ULL << CAP_SETFCAP;

/* The exec that follows computes root's other sets from the bounding set. */
static void
limit_to_docker_caps(void)
{
	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		if ((docker_caps >> cap & 1) == 0 && prctl(PR_CAPBSET_DROP, cap) < 0)
			err(1, "PR_CAPBSET_DROP %lu", cap);
}

/* Addresses decide how many steps an alignment loop takes, so they are not random here. */
static void
become(char **argv, bool docker, int go_fd)
{
	char byte;

	(void)personality(ADDR_NO_RANDOMIZE);
	if (docker)
		limit_to_docker_caps();
	if (read(go_fd, &byte, 1) != 1)
		err(1, "read");
	(void)execv(argv[0], argv);
	err(1, "%s", argv[0]);
}

/* PID 1 cannot stop itself for its tracer, so it waits on a pipe until it is seized. */
static pid_t
start(char **argv, bool docker)
{
	const long options = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC |
			     PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE;
	int go_fd[2];
	pid_t pid;

	if (pipe(go_fd) < 0)
		err(1, "pipe");
	(void)fcntl(go_fd[0], F_SETFD, FD_CLOEXEC);
	(void)fcntl(go_fd[1], F_SETFD, FD_CLOEXEC);
	pid = pid1_fork();
	if (pid < 0)
		err(1, "clone");
	if (pid == 0)
		become(argv, docker, go_fd[0]);
	if (ptrace(PTRACE_SEIZE, pid, NULL, options) < 0)
		err(1, "PTRACE_SEIZE");
	if (write(go_fd[1], "", 1) != 1)
		err(1, "write");
	return pid;
}

static struct tally *
tally_of(struct trace *trace, pid_t pid)
{
	if (pid != trace->init)
		return &trace->tallies[PHASE_CHILD];
	return &trace->tallies[trace->forked ? PHASE_REST : PHASE_INIT];
}

static void
count_call(struct tally *tally, pid_t pid)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) < 0)
		err(1, "PTRACE_GET_SYSCALL_INFO");
	if (info.op != PTRACE_SYSCALL_INFO_ENTRY)
		return;
	if (tally->n_calls == MAX_CALLS)
		errx(1, "more than %d system calls", MAX_CALLS);
	tally->calls[tally->n_calls++] = info.entry.nr;
}

static void
resume(const struct trace *trace, pid_t pid, int signum)
{
	/* ESRCH: killed since it stopped. */
	(void)ptrace(trace->steps ? PTRACE_SINGLESTEP : PTRACE_SYSCALL, pid, NULL, (long)signum);
}

static void
on_event(struct trace *trace, pid_t pid, int event)
{
	if (event == PTRACE_EVENT_EXEC && pid != trace->init) {
		/* Stopped inside the instruction that is the exec: its step will not be reported. */
		trace->tallies[PHASE_CHILD].n_steps++;
		trace->execed = true;
		(void)ptrace(PTRACE_DETACH, pid, NULL, NULL);
		return;
	}
	if (pid == trace->init && event != PTRACE_EVENT_EXEC && event != PTRACE_EVENT_STOP)
		trace->forked = true;
	resume(trace, pid, 0);
}

static void
on_stop(struct trace *trace, pid_t pid, int status)
{
	int event = status >> 16, signum = WSTOPSIG(status);

	if (event != 0) {
		on_event(trace, pid, event);
	} else if (signum == SYSCALL_STOP) {
		count_call(tally_of(trace, pid), pid);
		resume(trace, pid, 0);
	} else if (signum == SIGTRAP) {
		tally_of(trace, pid)->n_steps++;
		resume(trace, pid, 0);
	} else {
		resume(trace, pid, signum);
	}
}

/* Until the init ends; its child runs untraced from its exec on. */
static void
follow(struct trace *trace)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		if (WIFSTOPPED(status))
			on_stop(trace, pid, status);
		else if (pid == trace->init)
			trace->end_status = status;
	}
}

static void
print_phase(const struct trace *trace, enum phase phase)
{
	const struct tally *tally = &trace->tallies[phase];

	(void)printf("%s", phase_names[phase]);
	if (trace->steps)
		(void)printf(" %" PRIu64, tally->n_steps);
	for (size_t i = 0; i < tally->n_calls; i++)
		(void)printf(" %" PRIu64, tally->calls[i]);
	(void)printf("\n");
}

int
main(int argc, char **argv)
{
	static struct trace trace;

	if (argc < 4)
		errx(64, "usage: icount steps|calls docker|all INIT [ARG]...");
	/* To die of it kills what is traced, too. */
	(void)alarm(LIMIT_S);
	trace.steps = strcmp(argv[1], "steps") == 0;
	trace.init = start(argv + 3, strcmp(argv[2], "docker") == 0);
	follow(&trace);
	if (!trace.execed)
		errx(1, "%s ended with status 0x%x before it ran its child", argv[3],
		    (unsigned)trace.end_status);
	for (enum phase phase = 0; phase < N_PHASES; phase++)
		print_phase(&trace, phase);
	return 0;
}
