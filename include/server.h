/* SPDX-License-Identifier: MIT */
/* One server: the process that initd was told to run, how it is started, signalled, and how it ended. */
#ifndef INITD_SERVER_H
#define INITD_SERVER_H

#include "proc.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct server_spec {
	char *const *argv;
	char *const *env;
	char *listen_pid;                   /* in env, see proc.h; or NULL */
	const char *working_dir;            /* NULL: where initd was started */
	const struct proc_signals *signals; /* inherited: for the child */
	bool signal_group;                  /* signal its process group, not only itself */
	bool die_with_parent;               /* see proc.h */
	int pass_fd;                        /* the same */
	void (*in_child)(void *arg);
	void *in_child_arg;
};

/* Starts zeroed but for spec and working_dir, which is "". */
struct server {
	struct server_spec spec;
	pid_t pid;   /* 0: none runs */
	pid_t group; /* of the last one, which may outlive it */
	bool ended;  /* it was reaped; wstatus is still to be told */
	int wstatus;
	bool suspended;     /* it was stopped by Ctrl-Z */
	uint64_t starts;    /* so far */
	uint64_t oom_kills; /* when it was started */
	/* Where initd was started, for the next server; "" if we are still there. Not touched before. */
	char working_dir[1024];
};

/* Start it. 0, or -errno of what *stage says. */
int server_start(struct server *server, bool foreground, enum proc_stage *stage);

/* What goes wrong when it is started, in words. */
const char *server_failure_text(const struct server *server, enum proc_stage stage, int error);

/* Where the next one starts; NULL: where we are. */
const char *server_next_dir(const struct server *server);

/* Signal it, if there is one: 0 or -errno, which is never fatal. */
int server_signal(const struct server *server, int signum);

/* SIGKILL to it and its process group. */
void server_kill(const struct server *server);

/*
 * What it has, initd lets go: readers of inherited pipes must see their end, and no mount stays
 * busy. Descriptors below `from` and the `n` in `keep` stay.
 */
void server_let_go(struct server *server, int from, int *keep, size_t n);

/* The words of its command; false if they were cut. */
bool server_command_text(const struct server *server, char *buf, size_t size);

/* How it ended: "exit code 3", "killed by SIGSEGV (core dumped)". */
void server_end_text(const struct server *server, char *buf, size_t size);

/* Was it killed when the memory cgroup counted an OOM kill? */
bool server_was_oom_killed(const struct server *server);

#endif
