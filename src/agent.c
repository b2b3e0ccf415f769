/* SPDX-License-Identifier: MIT */
/* What the image holds: AGENT_DIR, its venv, the one package in it. */
#include "agent.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int
agent_check_dir(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

/* DIR/.venv, if it fits and is one. */
static bool
is_venv(const char *dir, size_t dir_length, char *venv, size_t size)
{
	static const char suffix[] = "/.venv", marker[] = "/pyvenv.cfg";
	char path[PATH_MAX];
	size_t length = dir_length + strlen(suffix);

	if (length >= size || length + sizeof marker > sizeof path)
		return false;
	(void)stpcpy(stpcpy((char *)mempcpy(path, dir, dir_length), suffix), marker);
	if (access(path, F_OK) < 0)
		return false;
	memcpy(venv, path, length);
	venv[length] = '\0';
	return true;
}

bool
agent_find_venv(const char *agent_dir, char *venv, size_t size)
{
	static const char usual[] = "/app";
	size_t length = strlen(agent_dir);

	while (length > 1 && agent_dir[length - 1] == '/')
		length--;
	while (length > 0 && agent_dir[length - 1] != '/')
		length--;
	while (length > 0 && agent_dir[length - 1] == '/')
		length--;
	if (is_venv(agent_dir, length, venv, size))
		return true;
	if (length == strlen(usual) && strncmp(agent_dir, usual, length) == 0)
		return false; /* just asked */
	return is_venv(usual, strlen(usual), venv, size);
}

/* Can Python import it by this name? */
static bool
is_identifier(const char *name)
{
	if (!isalpha((unsigned char)*name) && *name != '_' && (unsigned char)*name < 0x80)
		return false;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && *name != '_' && (unsigned char)*name < 0x80)
			return false;
	return true;
}

static bool
has_file(int dir_fd, const char *package, const char *file)
{
	char path[512];
	struct stat st;

	return snprintf(path, sizeof path, "%s/%s", package, file) < (int)sizeof path &&
	       fstatat(dir_fd, path, &st, 0) == 0 && S_ISREG(st.st_mode);
}

/* "PACKAGE.server" or "PACKAGE" if this is a package with a server in it. */
static bool
package_module(int dir_fd, const char *package, char *module, size_t size)
{
	const char *submodule;

	if (!is_identifier(package))
		return false;
	if (has_file(dir_fd, package, "server.py"))
		submodule = ".server";
	else if (has_file(dir_fd, package, "__main__.py"))
		submodule = "";
	else
		return false;
	return (size_t)snprintf(module, size, "%s%s", package, submodule) < size;
}

int
agent_find_module(const char *agent_dir, char *module, size_t size, struct error *err)
{
	DIR *dir = opendir(agent_dir);
	const struct dirent *entry;
	char found[256] = "", other[256] = "";
	bool one = false, two = false;

	if (!dir)
		return error_set(err, "%.200s: %s", agent_dir, strerror(errno));
	while (!two && (entry = readdir(dir))) {
		if (!package_module(dirfd(dir), entry->d_name, one ? other : found, sizeof found))
			continue;
		two = one;
		one = true;
	}
	(void)closedir(dir);
	if (!one)
		return error_set(err,
		    "no COMMAND, no server.command, and no package with a server.py or __main__.py in %.200s",
		    agent_dir);
	if (two)
		return error_set(err,
		    "no COMMAND, no server.command, and more than one package with a server in %.160s: %.80s, %.80s",
		    agent_dir, found, other);
	if ((size_t)snprintf(module, size, "%s", found) >= size)
		return error_set(err, "%.80s: the name is too long", found);
	return 0;
}
