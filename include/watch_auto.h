/* SPDX-License-Identifier: MIT */
/* watch.enabled: is this a dev container? */
#ifndef INITD_WATCH_AUTO_H
#define INITD_WATCH_AUTO_H

#include "options.h"

#include <stdbool.h>
#include <stddef.h>

enum watch_decision {
	WATCH_OFF,      /* nobody asked for it, and nothing looks like it */
	WATCH_ON,       /* `why` says what was found, or is "" if it was asked for */
	WATCH_ONE_SHOT, /* there is an editable install, as `why` says, but another command is run */
};

/*
 * With auto, watching needs an editable install into agent_dir in the environment that the server
 * has (its VIRTUAL_ENV, else the prefix of the python on its PATH), and a command that runs
 * something of agent_dir: in the same image, `pytest` and `bash` are to keep their exit codes and are not
 * to be restarted.
 */
enum watch_decision watch_auto_decide(
    const struct config *config, char *const *argv, char *const *vars, char *why, size_t size);

#endif
