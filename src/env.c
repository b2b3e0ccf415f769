/* SPDX-License-Identifier: MIT */
/* Inherited environment + what initd knows = the child's environment. */
#include "env.h"

#include "parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* As many digits as a pid can have, for the child to write its own over. */
static const char any_pid[] = "0000000000";

enum {
	NUMBER_SIZE = 12, /* of a pid or port as text */
	N_OURS = 9,       /* AGENT_DIR HOST PORT VIRTUAL_ENV PATH HOME USER LOGNAME LISTEN_PID */
};

/* The value, if the variable has this name. */
static const char *
value_if(const char *var, const char *name)
{
	while (*name && *var == *name) {
		var++;
		name++;
	}
	return *name == '\0' && *var == '=' ? var + 1 : NULL;
}

/* Every variable is asked for many names, before the server starts; most differ in the first byte. */
const char *
env_get(char *const *vars, const char *name)
{
	const char *value;

	for (char first = *name; *vars; vars++)
		if (**vars == first && (value = value_if(*vars, name)))
			return value;
	return NULL;
}

size_t
env_count(char *const *vars)
{
	size_t n = 0;

	while (vars[n])
		n++;
	return n;
}

size_t
env_copy(char **to, char *const *vars, const char *without)
{
	size_t n = 0;

	for (; *vars; vars++)
		if (!without || !value_if(*vars, without))
			to[n++] = *vars;
	to[n] = NULL;
	return n;
}

uint64_t
env_listen_fds(char *const *vars)
{
	const char *text = env_get(vars, "LISTEN_FDS");
	uint64_t n;

	return text && parse_number(text, 1000000, &n) ? n : 0;
}

/* The digits of n at the end of buf. */
static const char *
number_text(unsigned n, char buf[NUMBER_SIZE])
{
	char *digit = buf + NUMBER_SIZE - 1;

	*digit = '\0';
	do
		*--digit = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	return digit;
}

/* Drop all variables of this name. */
static void
unset(struct env *env, const char *name)
{
	char *const *end = env->vars + env->n;
	char **kept = env->vars;

	for (char **var = env->vars; var < end; var++)
		if (**var != *name || !value_if(*var, name))
			*kept++ = *var;
	env->n = (size_t)(kept - env->vars);
	*kept = NULL;
}

/* Put a variable whose text begins at `var` and ends where the next one can. */
static void
put(struct env *env, const char *name, char *var, const char *end)
{
	unset(env, name);
	env->vars[env->n++] = var;
	env->vars[env->n] = NULL;
	env->text = var + (end - var) + 1;
}

static char *
set(struct env *env, const char *name, const char *value)
{
	char *var = env->text;

	put(env, name, var, stpcpy(stpcpy(stpcpy(var, name), "="), value));
	return var;
}

/* Is the venv's bin the first entry of a search path? */
static bool
begins_with_bin(const char *path, const char *venv)
{
	size_t length = strlen(venv);

	return strncmp(path, venv, length) == 0 && strncmp(path + length, "/bin", 4) == 0 &&
	       (path[length + 4] == ':' || path[length + 4] == '\0');
}

static bool
path_has_bin(const char *path, const char *venv)
{
	for (; path; path = *path ? strchr(path + 1, ':') : NULL)
		if (begins_with_bin(path + (*path == ':'), venv))
			return true;
	return false;
}

/* What the venv's activate script does, where the image did not. */
static void
set_venv(struct env *env, const char *found)
{
	const char *venv = env_get(env->vars, "VIRTUAL_ENV"), *path = env_get(env->vars, "PATH");
	char *var;

	bool is_ours = !venv && found;

	if (is_ours) {
		(void)set(env, "VIRTUAL_ENV", found);
		venv = found;
	}
	if (!path || *path == '\0') /* an empty entry would be the working directory */
		path = ENV_DEFAULT_PATH;
	if (!venv || *venv == '\0')
		return;
	/* Where the image put its own venv into PATH is its business; ours comes first. */
	if (is_ours ? begins_with_bin(path, venv) : path_has_bin(path, venv))
		return;
	var = env->text;
	put(env, "PATH", var, stpcpy(stpcpy(stpcpy(stpcpy(var, "PATH="), venv), "/bin:"), path));
}

static void
set_user(struct env *env, const struct env_spec *spec)
{
	const char *home = env_get(env->vars, "HOME");

	if (spec->home && (!home || *home == '\0' || strcmp(home, "/root") == 0))
		(void)set(env, "HOME", spec->home);
	(void)set(env, "USER", spec->user);
	(void)set(env, "LOGNAME", spec->user);
}

static void
set_listen_pid(struct env *env, pid_t self)
{
	const char *given = env_get(env->vars, "LISTEN_PID");
	char number[NUMBER_SIZE];

	if (given && strcmp(given, number_text((unsigned)self, number)) == 0)
		env->listen_pid = set(env, "LISTEN_PID", any_pid) + strlen("LISTEN_PID=");
}

/* The larger one of what may become a variable's value. */
static size_t
longer(const char *a, const char *b)
{
	size_t a_length = a ? strlen(a) : 0, b_length = b ? strlen(b) : 0;

	return a_length > b_length ? a_length : b_length;
}

/*
 * The room that all of our own variables may take. PATH and VIRTUAL_ENV may be defaults of the
 * user's, so those count for both.
 */
static size_t
text_size(const struct env_spec *spec, char *const *inherited)
{
	size_t size =
	    (size_t)N_OURS * sizeof "VIRTUAL_ENV=" + 2 * (size_t)NUMBER_SIZE + sizeof "/bin:";
	size_t path = longer(env_get(inherited, "PATH"), ENV_DEFAULT_PATH);
	size_t venv = longer(env_get(inherited, "VIRTUAL_ENV"), spec->venv);

	for (size_t i = 0; i < spec->n_defaults; i++) {
		size_t length = strlen(spec->defaults[i].value);

		size += strlen(spec->defaults[i].name) + length + 2;
		path = path > length ? path : length;
		venv = venv > length ? venv : length;
	}
	size += strlen(spec->agent_dir) + strlen(spec->host) + 2 * strlen(spec->user);
	return size + (spec->home ? strlen(spec->home) : 0) + path + 2 * venv;
}

int
env_build(struct env *env, char *const *inherited, const struct env_spec *spec, struct error *err)
{
	char port[NUMBER_SIZE];
	size_t n = 0, n_pointers, size;

	while (inherited[n])
		n++;
	n_pointers = n + N_OURS + spec->n_defaults + 1;
	size = n_pointers * sizeof *env->vars + text_size(spec, inherited);
	env->n = n;
	env->listen_pid = NULL;
	env->vars = (char **)(size <= sizeof env->room ? env->room : malloc(size));
	if (!env->vars)
		return error_set(err, "environment: %s", strerror(ENOMEM));
	env->text = (char *)(env->vars + n_pointers);
	memcpy(env->vars, inherited, (n + 1) * sizeof *env->vars);
	(void)set(env, "AGENT_DIR", spec->agent_dir);
	(void)set(env, "HOST", spec->host);
	(void)set(env, "PORT", number_text(spec->port, port));
	for (size_t i = 0; i < spec->n_defaults; i++)
		if (!env_get(env->vars, spec->defaults[i].name))
			(void)set(env, spec->defaults[i].name, spec->defaults[i].value);
	set_venv(env, spec->venv);
	set_user(env, spec);
	set_listen_pid(env, spec->self);
	if (spec->notifies)
		unset(env, ENV_NOTIFY_SOCKET);
	return 0;
}

void
env_free(struct env *env)
{
	if ((char *)env->vars != env->room)
		free(env->vars);
	env->vars = NULL;
}
