/* SPDX-License-Identifier: MIT */
/* Python's caches of what a source file was. */
#include "bytecode.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* STEM.TAG.pyc or STEM.TAG.opt-N.pyc, as PEP 3147 and PEP 488 name them. */
static bool
is_cache_of(const char *name, const char *stem, size_t length)
{
	size_t n = strlen(name);

	return n > length + strlen(".pyc") && strncmp(name, stem, length) == 0 &&
	       name[length] == '.' && strcmp(name + n - strlen(".pyc"), ".pyc") == 0;
}

int
bytecode_remove(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t length = strlen(name);
	char folder[PATH_MAX];
	const struct dirent *entry;
	int status = 0;
	DIR *dir;

	if (length <= 3 || strcmp(name + length - 3, ".py") != 0)
		return 0;
	if (snprintf(folder, sizeof folder, "%.*s__pycache__", (int)(name - path), path) >=
	    (int)sizeof folder)
		return 0;
	dir = opendir(folder);
	if (!dir)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	while ((entry = readdir(dir)))
		if (is_cache_of(entry->d_name, name, length - 3) &&
		    unlinkat(dirfd(dir), entry->d_name, 0) < 0 && errno != ENOENT && status == 0)
			status = -errno;
	(void)closedir(dir);
	return status;
}
