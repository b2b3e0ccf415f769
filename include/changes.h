/* SPDX-License-Identifier: MIT */
/* What changed between two servers: for people, and for the environment of the next one. */
#ifndef INITD_CHANGES_H
#define INITD_CHANGES_H

#include <stddef.h>

/* JSON in the server's environment: {"n": 4, "paths": ["/app/src/agent.py", …]}, with as many paths as fit. */
#define CHANGES_VARIABLE "INITD_CHANGED"

enum {
	CHANGES_PATHS_MAX = 16,
	CHANGES_TEXT_SIZE = 2048, /* of the variable */
	CHANGES_ALSO_MAX = 3,     /* paths in a line for people */
};

struct changes {
	unsigned n, n_paths, n_also;
	size_t length;
	char paths[CHANGES_TEXT_SIZE]; /* in JSON, so far */
	char variable[CHANGES_TEXT_SIZE + 64];
	char also[CHANGES_ALSO_MAX * 256]; /* but for the path that was told before */
	char line[CHANGES_ALSO_MAX * 256 + 32];
	char **vars;
	size_t n_vars;
};

/* None yet. *changes starts zeroed. */
void changes_begin(struct changes *changes);

/* One file: its path, and the same below its root; `told` is the one that people know of. */
void changes_add(struct changes *changes, const char *path, const char *below, const char *told);

/* "also changed: a.py, b.py, c.py (+5 more)" without its first words; NULL if there is nothing more to tell. */
const char *changes_also(struct changes *changes);

/*
 * These variables, with CHANGES_VARIABLE if anything has changed and without it if not. The array
 * belongs to *changes and lasts until the next call; if memory is short it is `vars` as it is.
 */
char *const *changes_environment(struct changes *changes, char *const *vars);

void changes_free(struct changes *changes);

#endif
