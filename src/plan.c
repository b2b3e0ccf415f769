/* SPDX-License-Identifier: MIT */
/* What is going to be run, before anything is changed. */
#include "plan.h"

#include "agent.h"
#include "exit_code.h"
#include "proc.h"
#include "watch.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

_Static_assert(WATCH_ROOTS_MAX == 16, "the message of take_watch_paths() names it");

enum {
	/* The loop needs 7, aborts with 4 to 6 (libuv 1.44), and the server needs some as well. */
	DESCRIPTORS_MIN = 32,
};

int
plan_config(struct plan *plan, const struct cmdline *cmd, char *const *vars, struct error *err)
{
	const struct config_spec spec = {
		.path = cmd->config_path,
		.arguments = cmd->settings,
		.n_arguments = cmd->n_settings,
		.vars = vars,
	};

	/* Not all of it: the paths would be pages of zeros. */
	plan->switches = false;
	plan->cannot_switch = false;
	plan->env.vars = NULL;
	plan->argv = NULL;
	plan->home = NULL;
	plan->notify_path = NULL;
	plan->venv[0] = '\0';
	return config_load(&plan->config, &spec, err) < 0 ? EXIT_CODE_CONFIG : 0;
}

/* A user made by `useradd -r` has a home that nobody made; Python's caches need a place that is there. */
static const char *
usable_home(const char *home)
{
	return *home && agent_check_dir(home) == 0 ? home : "/tmp";
}

/* Without root nobody can be become: it is worth a word if user.name asks for somebody else. */
static bool
is_somebody_else(const struct privs *privs, const struct privs_spec *wanted)
{
	struct privs other;
	struct error ignored; /* who is unknown is somebody else */

	return privs_resolve(&other, wanted, &ignored) < 0 || other.uid != privs->uid ||
	       (strchr(wanted->user, ':') && other.gid != privs->gid);
}

int
plan_user(struct plan *plan, struct error *err)
{
	const struct privs_spec spec = { .user = plan->config.user,
		.passwd_path = PRIVS_PASSWD_PATH,
		.group_path = PRIVS_GROUP_PATH };
	struct privs *privs = &plan->privs;

	if (geteuid() != 0) {
		privs_current(privs, PRIVS_PASSWD_PATH);
		plan->cannot_switch =
		    options_source(&plan->config, "user", "name") > CONFIG_DEFAULT &&
		    is_somebody_else(privs, &spec);
	} else {
		if (privs_resolve(privs, &spec, err) < 0)
			return EXIT_CODE_PRIVILEGES;
		/* Root said aloud, without a group, stays as it is and needs no rights for that. */
		plan->switches = privs->uid != 0 || strchr(spec.user, ':');
		if (!plan->switches)
			privs->gid = getegid();
	}
	plan->home = usable_home(privs->home);
	return 0;
}

/* It must mean the same in any working directory. The text, or room with the absolute path. */
static const char *
make_absolute(const char *path, char room[PLAN_PATH_SIZE])
{
	size_t length;

	if (path[0] == '/')
		return path;
	if (!getcwd(room, PLAN_PATH_SIZE))
		return NULL;
	length = strlen(room);
	errno = ENAMETOOLONG;
	if (length + 1 + strlen(path) >= PLAN_PATH_SIZE)
		return NULL;
	(void)stpcpy(stpcpy(room + length, "/"), path);
	return room;
}

/* The path of one option made absolute; -1 and *err if that fails, or it is needed and no directory. */
static int
take_dir(const struct config *config, const char *name, const char **path,
    char room[PLAN_PATH_SIZE], bool is_needed, struct error *err)
{
	const char *absolute = make_absolute(*path, room);
	int status = absolute ? 0 : -errno;

	if (status == 0 && is_needed)
		status = agent_check_dir(absolute);
	if (status < 0)
		return options_complain(config, "server", name, strerror(-status), err);
	*path = absolute;
	return 0;
}

/* Whatever it is called. */
static bool
is_root(const char *path)
{
	char real[PATH_MAX];

	return realpath(path, real) && strcmp(real, "/") == 0;
}

/* One item of watch.paths at `text`, appended to `out` as an absolute path. */
static int
take_watch_path(const char *text, size_t length, char *out, size_t size, const char **reason)
{
	char item[PLAN_PATH_SIZE], room[PLAN_PATH_SIZE];
	const char *path;
	int status;

	while (length > 0 && *text == ' ') {
		text++;
		length--;
	}
	while (length > 0 && text[length - 1] == ' ')
		length--;
	*reason = "expected directories, comma-separated";
	if (length == 0 || length >= sizeof item)
		return -1;
	(void)snprintf(item, sizeof item, "%.*s", (int)length, text);
	path = make_absolute(item, room);
	status = path ? agent_check_dir(path) : -errno;
	if (status < 0) {
		*reason = strerror(-status);
		return -1;
	}
	*reason = "all of the file system cannot be watched";
	if (is_root(path))
		return -1;
	*reason = "too long";
	return (size_t)snprintf(out, size, "%s", path) < size ? 0 : -1;
}

/* They are watched when the working directory is another one. */
static int
take_watch_paths(struct config *config, struct error *err)
{
	const char *text = config->watch_paths, *reason;
	char paths[4 * PLAN_PATH_SIZE];
	size_t n = 0;

	for (unsigned n_paths = 1;; n_paths++) {
		size_t length = strcspn(text, ",");

		if (n_paths > WATCH_ROOTS_MAX)
			return options_complain(
			    config, "watch", "paths", "expected at most 16 directories", err);

		if (n > 0)
			paths[n++] = ',';
		if (take_watch_path(text, length, paths + n, sizeof paths - n - 1, &reason) < 0)
			return options_complain(config, "watch", "paths", reason, err);
		n += strlen(paths + n);
		if (text[length] == '\0')
			break;
		text += length + 1;
	}
	config->watch_paths = options_keep(config, paths, n);
	return config->watch_paths ? 0 : error_set(err, "watch.paths: %s", strerror(ENOMEM));
}

int
plan_dirs(struct plan *plan, const struct cmdline *cmd, struct error *err)
{
	struct config *config = &plan->config;
	bool is_watched = config->watch == CONFIG_YES && !config->watch_paths;
	bool has_command = cmd->operands[0] || config->command;
	bool is_needed = !has_command || is_watched;
	/* To an initd below this one, what we exported is not somebody's wish. */
	bool is_wanted = strcmp(config->agent_dir, options_fallback("server", "agent_dir")) != 0;

	/* The default may be missing in an image that is no Python agent: `docker run IMAGE bash`. */
	if (take_dir(config, "agent_dir", &config->agent_dir, plan->agent_dir,
		is_needed || is_wanted, err) < 0) {
		struct error why = *err;

		if (!has_command)
			(void)error_set(err, "no COMMAND, no server.command, and %s", why.msg);
		return EXIT_CODE_CONFIG;
	}
	if (is_watched && is_root(config->agent_dir)) {
		(void)options_complain(
		    config, "server", "agent_dir", "all of the file system cannot be watched", err);
		return EXIT_CODE_CONFIG;
	}
	if (config->watch_paths && config->watch != CONFIG_NO && take_watch_paths(config, err) < 0)
		return EXIT_CODE_CONFIG;
	if (config->working_dir &&
	    take_dir(config, "working_dir", &config->working_dir, plan->working_dir, true, err) < 0)
		return EXIT_CODE_CONFIG;
	return 0;
}

int
plan_environment(struct plan *plan, char *const *vars, struct error *err)
{
	const struct config *config = &plan->config;
	struct env_default defaults[CONFIG_ENV_MAX];
	bool has_venv = !env_get(vars, "VIRTUAL_ENV") &&
			agent_find_venv(config->agent_dir, plan->venv, sizeof plan->venv);
	const char *notify_path =
	    options_ask_server(config) ? env_get(vars, ENV_NOTIFY_SOCKET) : NULL;
	const struct env_spec spec = {
		.agent_dir = config->agent_dir,
		.host = config->host,
		.port = config->port,
		.venv = has_venv ? plan->venv : NULL,
		.user = plan->privs.name,
		.home = plan->home,
		.defaults = defaults,
		.n_defaults = config->n_env,
		.self = env_get(vars, "LISTEN_PID") ? getpid() : 0,
		.notifies = notify_path != NULL,
	};

	plan->notify_path = notify_path;
	for (size_t i = 0; i < config->n_env; i++)
		defaults[i] =
		    (struct env_default){ config->env[i].name, config->env[i].setting.text };
	return env_build(&plan->env, vars, &spec, err) < 0 ? EXIT_CODE_REFUSED : 0;
}

/* `python` of the venv or image; a distribution's own may have only python3. */
static char *
python_name(char *const *vars)
{
	static char python[] = "python", python3[] = "python3";
	char path[PATH_MAX];

	return !proc_find(python, vars, path, sizeof path) &&
		       proc_find(python3, vars, path, sizeof path)
		   ? python3
		   : python;
}

int
plan_command(struct plan *plan, const struct cmdline *cmd, struct error *err)
{
	static char dash_m[] = "-m";

	if (cmd->operands[0]) {
		plan->argv = cmd->operands;
	} else if (plan->config.command) {
		plan->argv = plan->config.command;
	} else {
		if (agent_find_module(
			plan->config.agent_dir, plan->module, sizeof plan->module, err) < 0)
			return EXIT_CODE_CONFIG;
		plan->module_argv[0] = python_name(plan->env.vars);
		plan->module_argv[1] = dash_m;
		plan->module_argv[2] = plan->module;
		plan->module_argv[3] = NULL;
		plan->argv = plan->module_argv;
	}
	return 0;
}

int
plan_limits(char *const *vars, struct error *err)
{
	uint64_t n = DESCRIPTORS_MIN + env_listen_fds(vars);
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= n)
		return 0;
	(void)error_set(err,
	    "only %llu open files are allowed (RLIMIT_NOFILE), at least %llu are needed",
	    (unsigned long long)limit.rlim_cur, (unsigned long long)n);
	return EXIT_CODE_REFUSED;
}

void
plan_free(struct plan *plan)
{
	env_free(&plan->env);
	config_free(&plan->config);
}
