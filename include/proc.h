/* SPDX-License-Identifier: MIT */
/* The kernel's side of a child: the only fork, exec, waitpid and kill. */
#ifndef INITD_PROC_H
#define INITD_PROC_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A signal in a mask as the kernel has it. */
#define PROC_SIGNAL_BIT(signum) (UINT64_C(1) << ((signum)-1))

/* What initd inherited and its child gets back. */
struct proc_signals {
	uint64_t mask;
	struct sigaction child; /* of SIGCHLD, the one disposition that initd changes */
};

struct proc_spec {
	char *const *argv;
	char *const *env; /* PATH is looked up here */
	char *
	    listen_pid; /* inside env, room for LISTEN_PID_DIGITS: the child writes its pid there; or NULL */
	const char *working_dir; /* NULL: unchanged */
	const struct proc_signals *signals;
	bool
	    foreground; /* make its group the terminal's foreground group (stdin is the terminal) */
	bool
	    die_with_parent; /* SIGTERM when initd dies; needless for PID 1, whose death ends all */
	int pass_fd;         /* the child's descriptor 3; 0: none */
	void (*in_child)(
	    void *arg); /* called last before exec; may only make system calls; or NULL */
	void *in_child_arg;
};

enum {
	LISTEN_PID_DIGITS = 10,
};

/* What failed in a spawn. */
enum proc_stage {
	PROC_FORK,
	PROC_CHDIR,
	PROC_EXEC,
};

/*
 * sigprocmask(2) for all 64 signals, bit n-1 for signal n: a libc leaves out those that it keeps
 * for itself, which the server's libc may not (34 is SIGRTMIN to glibc, internal to musl).
 */
void proc_set_mask(int how, uint64_t mask, uint64_t *old);

/*
 * Start a child that leads its own process group, with the signal mask and dispositions that initd
 * inherited. It returns when the child has become the program (or died on the way): the pid, or
 * -errno of what *stage says.
 */
pid_t proc_spawn(const struct proc_spec *spec, enum proc_stage *stage);

/*
 * Reap everything that ended (one SIGCHLD may stand for many ends) and report each; with
 * `stops`, children that were stopped are reported too.
 */
void proc_reap(bool stops, void (*on_change)(void *arg, pid_t pid, int wstatus), void *arg);

/*
 * Close what initd inherited above stdio, except the `n` in `keep`, which are sorted by it, and what
 * is below `from`: the child has it now, and a reader of a pipe must see its end when the child closes it.
 */
void proc_close_inherited(int from, int *keep, size_t n);

bool proc_has_children(void);

/* Signal one process, or a whole group; 0 or -errno. pid and pgid must be > 1. */
int proc_kill(pid_t pid, int signum);
int proc_kill_group(pid_t pgid, int signum);

/* Signal whatever else lives here: as PID 1 the whole namespace, else our children, adopted ones too. */
void proc_kill_rest(int signum);

/*
 * Stop our own process group as Ctrl-Z does, us included. Returns when it was continued; at once
 * if it is orphaned, because nobody could continue it.
 */
void proc_stop_own_group(void);

/* Is this process the leader of a group of its own? */
bool proc_leads_group(pid_t pid);

bool proc_group_is_gone(pid_t pgid);

/* The exit code as a shell would say it: 128 + n for a signal n. */
int proc_exit_code(int wstatus);

/* The exit code for a spawn that failed: 71, 126 or 127. */
int proc_failure_code(enum proc_stage stage, int error);

/* May the same spawn work a moment later? */
bool proc_failure_passes(enum proc_stage stage, int error);

/*
 * The path that `name` stands for, by PATH in env if it has no slash, if it can be executed. False if there is
 * none: errno is EACCES if there is a file that cannot be, ENOENT if not.
 */
bool proc_find(const char *name, char *const *env, char *path, size_t size);

#endif
