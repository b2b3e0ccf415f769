/* SPDX-License-Identifier: MIT */
/* What is going to be run: configuration, program, identity and environment, before anything is changed. */
#ifndef INITD_PLAN_H
#define INITD_PLAN_H

#include "cmdline.h"
#include "config.h"
#include "env.h"
#include "error.h"
#include "privs.h"

#include <stdbool.h>

enum {
	PLAN_PATH_SIZE = 1024, /* of a venv, a module, AGENT_DIR made absolute */
};

struct plan {
	struct config config;
	struct privs privs;
	bool switches;      /* from root to privs; else privs is who we are */
	bool cannot_switch; /* user.name asks for somebody else, but we are not root */
	struct env env;
	char *const *argv;
	const char *home;        /* of the user, one that exists */
	const char *notify_path; /* NOTIFY_SOCKET, if it is us who know when the server is ready */
	char venv[PLAN_PATH_SIZE];        /* found, or "" */
	char agent_dir[PLAN_PATH_SIZE];   /* room for a relative one made absolute */
	char working_dir[PLAN_PATH_SIZE]; /* the same */
	char module[PLAN_PATH_SIZE];      /* the words of argv if nobody named a command */
	char *module_argv[4];
};

/* Are enough descriptors allowed, for us and for sockets of socket activation? 0, or initd's exit code with *err filled. */
int plan_limits(char *const *vars, struct error *err);

/*
 * Each step needs those before it and returns 0, or initd's exit code with *err filled. The text
 * of *vars and of *cmd must outlive the plan. plan_config() comes first, and plan_free() is due
 * after it in any case.
 */
int plan_config(struct plan *plan, const struct cmdline *cmd, char *const *vars, struct error *err);
int plan_user(struct plan *plan, struct error *err);
int plan_dirs(struct plan *plan, const struct cmdline *cmd, struct error *err);
int plan_environment(struct plan *plan, char *const *vars, struct error *err);
int plan_command(struct plan *plan, const struct cmdline *cmd, struct error *err);
void plan_free(struct plan *plan);

#endif
