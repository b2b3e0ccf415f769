/* SPDX-License-Identifier: MIT */
/* The loop: facts in, actions out, until there is an exit code. */
#ifndef INITD_SUPERVISOR_H
#define INITD_SUPERVISOR_H

#include "config.h"
#include "env.h"
#include "listener.h"
#include "log.h"
#include "privs.h"
#include "proc.h"

struct supervisor_spec {
	const struct config *config;
	const struct env *env;
	char *const *argv;
	const struct proc_signals *signals; /* inherited: for the child */
	const struct privs *privs;          /* who it runs as, for the log */
	const struct listeners
	    *listeners;          /* bound while it was allowed; they are its own from now on */
	const char *notify_path; /* who wants to hear READY=1 and STOPPING=1; or NULL */
	struct log *log;
};

/*
 * Start the server and look after it to its end. Returns the exit code for initd: the server's, or
 * 71, 78, 126 or 127 if none could be started. All privileges must have been dropped before.
 */
int supervisor_run(const struct supervisor_spec *spec);

#endif
