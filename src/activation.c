/* SPDX-License-Identifier: MIT */
/* Socket activation of a server. */
#include "activation.h"

#include "agent.h"
#include "env.h"
#include "proc.h"

#include <stdlib.h>
#include <string.h>

static bool
has_prefix(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool
has_fd_url(const char *word)
{
	const char *url = strstr(word, "fd://3");

	return url && (url[6] < '0' || url[6] > '9');
}

bool
activation_is_asked_for(char *const *argv)
{
	for (char *const *word = argv; *word; word++)
		if (has_fd_url(*word) || strcmp(*word, "--fd=3") == 0 ||
		    (strcmp(*word, "--fd") == 0 && word[1] && strcmp(word[1], "3") == 0))
			return true;
	return false;
}

/* The program's own name for it, or that of the module after -m. */
static const char *
program_of(char *const *argv)
{
	if (agent_is_python(argv[0]))
		for (char *const *word = argv + 1; *word; word++)
			if (strcmp(*word, "-m") == 0)
				return word[1] ? word[1] : "";
	return agent_base_name(argv[0]);
}

bool
activation_is_known_to(char *const *argv)
{
	static const char own[][9] = { "--host", "--port", "--uds", "--fd", "--bind", "-b",
		"--reload" };
	const char *program = program_of(argv);

	if (strcmp(program, "uvicorn") != 0 && strcmp(program, "gunicorn") != 0)
		return false;
	for (char *const *word = argv + 1; *word; word++)
		for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
			if (has_prefix(*word, own[i]))
				return false;
	return true;
}

char **
activation_environment(char *const *vars, char **pid)
{
	/* Not const, because no environment is. */
	static char ours[][24] = { "LISTEN_FDS=1", "LISTEN_FDNAMES=initd", "UVICORN_FD=3" };
	enum {
		N_OURS = sizeof ours / sizeof ours[0]
	};
	static const char listen_pid[] = "LISTEN_PID=";
	size_t n = env_count(vars);
	char **all;

	all = malloc((n + N_OURS + 2) * sizeof *all + sizeof listen_pid + LISTEN_PID_DIGITS);
	if (!all)
		return NULL;
	*pid = (char *)(all + n + N_OURS + 2);
	(void)env_copy(all, vars, NULL);
	for (size_t i = 0; i < N_OURS; i++)
		all[n + i] = ours[i];
	all[n + N_OURS] = memcpy(*pid, listen_pid, sizeof listen_pid);
	all[n + N_OURS + 1] = NULL;
	*pid += sizeof listen_pid - 1;
	return all;
}
