/* SPDX-License-Identifier: MIT */
/* Inherited environment + what initd knows = the child's environment. */
#ifndef INITD_ENV_H
#define INITD_ENV_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct env_default {
	const char *name, *value;
};

struct env_spec {
	const char *agent_dir, *host;
	unsigned port;
	const char *venv; /* a venv that exists, for an environment that names none; or NULL */
	const char *user; /* USER and LOGNAME */
	const char *home; /* for a HOME that is missing or root's; NULL: HOME is left alone */
	const struct env_default *defaults; /* what is already set wins */
	size_t n_defaults;
	bool
	    notifies; /* initd says when the server is ready: NOTIFY_SOCKET is not for the server */
	pid_t self;   /* a LISTEN_PID of this process is made the child's; needed if there is one */
};

/* One allocation; what is inherited stays where it is. */
struct env {
	char **vars;      /* NULL-terminated */
	char *listen_pid; /* where the child writes its pid; or NULL */
	size_t n;
	char *text; /* free room for the strings of our own variables */
	/* Where all of it is, unless it is larger: most containers start without an allocation. */
	_Alignas(char *) char room[4096];
};

/* What is searched for programs where PATH is not set: Docker's. */
#define ENV_DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* sd_notify(3). */
#define ENV_NOTIFY_SOCKET "NOTIFY_SOCKET"

/* The value of a variable, or NULL. */
const char *env_get(char *const *vars, const char *name);

size_t env_count(char *const *vars);

/*
 * Copy the variables but those of one name (NULL: all) to `to`, which has room for all and a NULL.
 * Returns how many it has then.
 */
size_t env_copy(char **to, char *const *vars, const char *without);

/* The number of activated sockets by LISTEN_FDS (sd_listen_fds(3)); 0 if there is none or it is no number. */
uint64_t env_listen_fds(char *const *vars);

/*
 * Build the child's environment. What is set replaces every earlier variable of that name; the
 * rest keeps its order. `inherited` must outlive *env. -1 and *err only if memory is short.
 */
int env_build(
    struct env *env, char *const *inherited, const struct env_spec *spec, struct error *err);

void env_free(struct env *env);

#endif
