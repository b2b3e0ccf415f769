/* SPDX-License-Identifier: MIT */
/* watch.enabled: is this a dev container? */
#include "watch_auto.h"

#include "agent.h"
#include "editable.h"
#include "env.h"
#include "proc.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

/* Of a python on PATH: the directory above its bin. */
static bool
python_prefix(char *const *vars, char prefix[PATH_MAX])
{
	char *slash;

	if (!proc_find("python", vars, prefix, PATH_MAX) &&
	    !proc_find("python3", vars, prefix, PATH_MAX))
		return false;
	for (int i = 0; i < 2; i++) {
		slash = strrchr(prefix, '/');
		if (!slash || slash == prefix)
			return false;
		*slash = '\0';
	}
	return true;
}

static bool
has_editable(const struct config *config, char *const *vars, char *why, size_t size)
{
	const char *venv = env_get(vars, "VIRTUAL_ENV");
	char prefix[PATH_MAX];

	if (agent_check_dir(config->agent_dir) < 0)
		return false;
	if (venv && *venv)
		return editable_find(venv, config->agent_dir, why, size);
	return python_prefix(vars, prefix) && editable_find(prefix, config->agent_dir, why, size);
}

/* Paths in the command are those of the directory that the server starts in. */
static bool
runs_agent(const struct config *config, char *const *argv, char *const *vars)
{
	int cwd = config->working_dir ? open(".", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	bool has_moved = cwd >= 0 && chdir(config->working_dir) == 0;
	char program[PATH_MAX];
	bool runs = agent_is_run_by(config->agent_dir, argv,
	    proc_find(argv[0], vars, program, sizeof program) ? program : NULL);

	if (has_moved && fchdir(cwd) < 0)
		runs = false; /* it was there a moment ago */
	if (cwd >= 0)
		(void)close(cwd);
	return runs;
}

enum watch_decision
watch_auto_decide(
    const struct config *config, char *const *argv, char *const *vars, char *why, size_t size)
{
	why[0] = '\0';
	if (config->watch == CONFIG_YES)
		return WATCH_ON;
	if (config->watch == CONFIG_NO || !has_editable(config, vars, why, size))
		return WATCH_OFF;
	return runs_agent(config, argv, vars) ? WATCH_ON : WATCH_ONE_SHOT;
}
