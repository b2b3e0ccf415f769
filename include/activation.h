/* SPDX-License-Identifier: MIT */
/* Socket activation: giving a listening socket to a server that takes one as descriptor 3 (sd_listen_fds(3)). */
#ifndef INITD_ACTIVATION_H
#define INITD_ACTIVATION_H

#include <stdbool.h>
#include <stddef.h>

/* Does the command ask for descriptor 3: fd://3, --fd 3, --fd=3? */
bool activation_is_asked_for(char *const *argv);

/*
 * Does the command run a program that takes one by its environment, and says nothing itself of where to
 * listen: uvicorn (UVICORN_FD) or gunicorn (LISTEN_FDS)?
 */
bool activation_is_known_to(char *const *argv);

/*
 * These variables and what activation needs, in one allocation for free(3), or NULL. *pid is where the
 * child writes its pid.
 */
char **activation_environment(char *const *vars, char **pid);

#endif
