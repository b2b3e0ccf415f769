/* SPDX-License-Identifier: MIT */
/* What only a dev container needs: files are watched, and a change leads to a new server. */
#ifndef INITD_DEV_H
#define INITD_DEV_H

#include "supervisor_state.h"

/* What changed since the last server is in the next one's environment, and its old bytecode is gone. */
void dev_take_changes(struct supervisor *sv, struct server *server);

/* Is this one? Asked where we were started; *sv has a dev if so. */
void dev_decide(struct supervisor *sv);

/* On the loop: watch. If that cannot be, it is said, and this is no dev container. */
void dev_open(struct supervisor *sv);

/*
 * It failed soon after its start, and files were written meanwhile that have the same contents now: that
 * may be why. Once.
 */
void dev_try_again(struct supervisor *sv);

void dev_free(struct supervisor *sv);

#endif
