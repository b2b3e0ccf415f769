/* SPDX-License-Identifier: MIT */
/* What changed between two servers. */
#include "changes.h"

#include "env.h"
#include "json.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
changes_begin(struct changes *changes)
{
	changes->n = changes->n_paths = changes->n_also = 0;
	changes->length = 0;
	changes->paths[0] = changes->also[0] = '\0';
}

/* A path that would be cut is left out: half a path is none. */
static void
add_path(struct changes *changes, const char *path)
{
	char quoted[CHANGES_TEXT_SIZE / 2];
	size_t length = json_string(quoted, sizeof quoted, path), room = sizeof changes->paths;

	if (changes->n_paths == CHANGES_PATHS_MAX || length + 8 > sizeof quoted ||
	    changes->length + length + 3 > room)
		return;
	changes->length += (size_t)snprintf(changes->paths + changes->length,
	    room - changes->length, "%s%s", changes->n_paths ? ", " : "", quoted);
	changes->n_paths++;
}

void
changes_add(struct changes *changes, const char *path, const char *below, const char *told)
{
	size_t length = strlen(changes->also);

	changes->n++;
	add_path(changes, path);
	if (strcmp(below, told) == 0)
		return;
	if (changes->n_also < CHANGES_ALSO_MAX)
		(void)snprintf(changes->also + length, sizeof changes->also - length, "%s%.200s",
		    changes->n_also ? ", " : "", below);
	changes->n_also++;
}

const char *
changes_also(struct changes *changes)
{
	if (changes->n_also == 0)
		return NULL;
	if (changes->n_also <= CHANGES_ALSO_MAX)
		return changes->also;
	(void)snprintf(changes->line, sizeof changes->line, "%s (+%u more)", changes->also,
	    changes->n_also - CHANGES_ALSO_MAX);
	return changes->line;
}

/* Room for `n` variables, ours and the end; it is needed once. */
static bool
has_room(struct changes *changes, size_t n)
{
	char **vars;

	if (changes->n_vars >= n + 2)
		return true;
	vars = realloc(changes->vars, (n + 2) * sizeof *vars);
	if (!vars)
		return false;
	changes->vars = vars;
	changes->n_vars = n + 2;
	return true;
}

char *const *
changes_environment(struct changes *changes, char *const *vars)
{
	size_t kept;

	if (!has_room(changes, env_count(vars)))
		return vars;
	kept = env_copy(changes->vars, vars, CHANGES_VARIABLE);
	if (changes->n > 0) {
		(void)snprintf(changes->variable, sizeof changes->variable,
		    CHANGES_VARIABLE "={\"n\": %u, \"paths\": [%s]}", changes->n, changes->paths);
		changes->vars[kept++] = changes->variable;
	}
	changes->vars[kept] = NULL;
	return changes->vars;
}

void
changes_free(struct changes *changes)
{
	free(changes->vars);
	changes->vars = NULL;
	changes->n_vars = 0;
}
