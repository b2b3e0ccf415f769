/* SPDX-License-Identifier: MIT */
/*
 * watch.standby: a spare Python that has imported what the server imports, and becomes the server at a
 * word. Its own side of it is src/standby.py, which Python finds as sitecustomize.
 */
#ifndef INITD_STANDBY_H
#define INITD_STANDBY_H

#include "pollset.h"

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

enum standby_state {
	STANDBY_NONE,
	STANDBY_BOOTS, /* started; who knows what it runs */
	STANDBY_HERE,  /* src/standby.py runs, and listens between two imports */
	STANDBY_WARM,  /* and waits */
	STANDBY_WRONG, /* said what no standby says */
};

struct standby_spec {
	void (*on_change)(void *arg); /* of its state */
	void *arg;
};

struct standby {
	struct standby_spec spec;
	enum standby_state state;
	struct pollset set;
	struct pollset_entry entry;
	int archive_fd, notes_fd; /* memory: the Python side, and what servers imported */
	int channel, child_channel;
	char **vars;
	char variable[48];
};

/*
 * Would src/standby.py run before anything else does? Only in a Python that imports sitecustomize. If not,
 * *why says it. `program` is what argv[0] stands for, or NULL.
 */
bool standby_suits(char *const *argv, const char *program, const char **why);

/* 0 or a negative errno: then there is nothing to close. */
int standby_open(struct standby *standby, uv_loop_t *loop, const struct standby_spec *spec);

/*
 * Before it is started, like a server but with this environment instead of `vars`; in the child,
 * between fork and exec; and afterwards, in any case. NULL if it cannot be.
 */
char *const *standby_prepare(struct standby *standby, char *const *vars);
void standby_in_child(const struct standby *standby);
void standby_started(struct standby *standby, bool is_started);

/*
 * Say the word: it is the server now, and none of ours. `assignment` is a NAME=VALUE for its
 * environment, or NULL. False if it did not hear it; it shall be killed then.
 */
bool standby_go(struct standby *standby, const char *assignment);

/* It is not needed any more, or has ended. */
void standby_drop(struct standby *standby);

/* The loop must run once more. */
void standby_close(struct standby *standby);

#endif
