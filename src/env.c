/* SPDX-License-Identifier: MIT */
/* Inherited environment + what initd knows = the child's environment. */
#include "env.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	VARIABLES_OF_OURS =
	    8, /* AGENT_DIR HOST PORT VIRTUAL_ENV PATH HOME USER LOGNAME; LISTEN_PID is only replaced */
};

static const char default_path[] =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"; /* Docker's */

static bool
is_named(const char *var, const char *name, size_t length)
{
	return strncmp(var, name, length) == 0 && var[length] == '=';
}

const char *
env_get(char *const *vars, const char *name)
{
	size_t length = strlen(name);

	for (; *vars; vars++)
		if (is_named(*vars, name, length))
			return *vars + length + 1;
	return NULL;
}

/* Drop all variables of this name. */
static void
unset(struct env *env, const char *name)
{
	size_t length = strlen(name), kept = 0;

	for (size_t i = 0; i < env->n; i++)
		if (!is_named(env->vars[i], name, length))
			env->vars[kept++] = env->vars[i];
	env->n = kept;
	env->vars[env->n] = NULL;
}

/* Put NAME=A followed by B; returns the new variable or NULL. */
static char *
set2(struct env *env, const char *name, const char *a, const char *b)
{
	size_t name_length = strlen(name);
	char *var = malloc(name_length + 1 + strlen(a) + strlen(b) + 1);

	if (!var)
		return NULL;
	(void)stpcpy(stpcpy(stpcpy(stpcpy(var, name), "="), a), b);
	env->owned[env->n_owned++] = var;
	for (size_t i = 0; i < env->n; i++)
		if (is_named(env->vars[i], name, name_length)) {
			unset(env, name);
			break;
		}
	env->vars[env->n++] = var;
	env->vars[env->n] = NULL;
	return var;
}

static bool
set(struct env *env, const char *name, const char *value)
{
	return set2(env, name, value, "") != NULL;
}

/* Is dir one of the entries of a search path? */
static bool
path_has(const char *path, const char *dir)
{
	size_t length = strlen(dir);

	for (;;) {
		if (strncmp(path, dir, length) == 0 &&
		    (path[length] == ':' || path[length] == '\0'))
			return true;
		path = strchr(path, ':');
		if (!path)
			return false;
		path++;
	}
}

/* What the venv's activate script does, where the image did not. */
static bool
set_venv(struct env *env, const char *found)
{
	const char *venv = env_get(env->vars, "VIRTUAL_ENV"), *path = env_get(env->vars, "PATH");
	char *bin;
	bool done = true;

	if (!venv && found) {
		if (!set(env, "VIRTUAL_ENV", found))
			return false;
		venv = found;
	}
	if (!venv || *venv == '\0')
		return true;
	if (!path)
		path = default_path;
	bin = malloc(strlen(venv) + sizeof "/bin:");
	if (!bin)
		return false;
	(void)stpcpy(stpcpy(bin, venv), "/bin");
	if (!path_has(path, bin))
		done = set2(env, "PATH", strcat(bin, ":"), path) != NULL;
	free(bin);
	return done;
}

static bool
set_user(struct env *env, const struct env_spec *spec)
{
	const char *home = env_get(env->vars, "HOME");

	if (spec->home && (!home || *home == '\0' || strcmp(home, "/root") == 0) &&
	    !set(env, "HOME", spec->home))
		return false;
	return set(env, "USER", spec->user) && set(env, "LOGNAME", spec->user);
}

static bool
set_all(struct env *env, const struct env_spec *spec)
{
	const char *listen_pid = env_get(env->vars, "LISTEN_PID");
	char port[8], self[16];

	(void)snprintf(port, sizeof port, "%u", spec->port);
	(void)snprintf(self, sizeof self, "%d", (int)spec->self);
	if (!set(env, "AGENT_DIR", spec->agent_dir) || !set(env, "HOST", spec->host) ||
	    !set(env, "PORT", port))
		return false;
	if (!set_venv(env, spec->venv) || !set_user(env, spec))
		return false;
	for (size_t i = 0; i < spec->n_defaults; i++)
		if (!env_get(env->vars, spec->defaults[i].name) &&
		    !set(env, spec->defaults[i].name, spec->defaults[i].value))
			return false;
	if (listen_pid && strcmp(listen_pid, self) == 0) {
		char *var = set2(env, "LISTEN_PID", "0000000000", ""); /* room for any pid */

		if (!var)
			return false;
		env->listen_pid = var + strlen("LISTEN_PID=");
	}
	return true;
}

int
env_build(struct env *env, char *const *inherited, const struct env_spec *spec, struct error *err)
{
	size_t n = 0, ours = VARIABLES_OF_OURS + spec->n_defaults;

	while (inherited[n])
		n++;
	*env = (struct env){ .n = n };
	env->vars = malloc((n + ours + 1) * sizeof *env->vars);
	env->owned = calloc(ours + 1, sizeof *env->owned);
	if (!env->vars || !env->owned) {
		env_free(env);
		return error_set(err, "environment: %s", strerror(ENOMEM));
	}
	memcpy(env->vars, inherited, (n + 1) * sizeof *env->vars);
	if (!set_all(env, spec)) {
		env_free(env);
		return error_set(err, "environment: %s", strerror(ENOMEM));
	}
	return 0;
}

void
env_free(struct env *env)
{
	for (size_t i = 0; env->owned && i < env->n_owned; i++)
		free(env->owned[i]);
	free(env->owned);
	free(env->vars);
	*env = (struct env){ 0 };
}
