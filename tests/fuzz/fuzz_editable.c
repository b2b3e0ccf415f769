/* SPDX-License-Identifier: MIT */
/* Any bytes as each file that may tell of an editable install, in an environment that has nothing else. */
#include "editable.h"
#include "hold.h"

#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#define SITE "/v/lib/python3/site-packages"

/* In memory; '@' in an input becomes its path. */
static char root[] = "/dev/shm/initd-fuzz-XXXXXX";

static const char *const folders[] = { "", "/a", "/a/b", "/a/b/c", "/a/d", "/v", "/v/bin", "/v/lib",
	"/v/lib/python3", SITE, SITE "/x.dist-info" };

enum {
	N_FOLDERS = sizeof folders / sizeof folders[0],
	PATH_SIZE = 256,
};

static const char *
at_root(const char *below, char path[PATH_SIZE])
{
	(void)snprintf(path, PATH_SIZE, "%s%s", root, below);
	return path;
}

static void
tear_down(void)
{
	char path[PATH_SIZE];

	for (size_t i = N_FOLDERS; i-- > 0;)
		(void)rmdir(at_root(folders[i], path));
}

static void
build(void)
{
	char path[PATH_SIZE];

	hold(mkdtemp(root) && atexit(tear_down) == 0);
	for (size_t i = 1; i < N_FOLDERS; i++)
		hold(mkdir(at_root(folders[i], path), 0700) == 0);
}

static void
put(const char *path, const uint8_t *bytes, size_t n)
{
	FILE *file = fopen(path, "w");

	hold(file);
	for (size_t i = 0; i < n; i++)
		hold((bytes[i] == '@' ? fputs(root, file) : fputc(bytes[i], file)) >= 0);
	hold(fclose(file) == 0);
}

/* What is told is there, and it is AGENT_DIR, in it or above it. */
static void
check_told(const char *agent_dir, const char *how)
{
	const char *path = strstr(how, " names ");
	size_t length, whole = strlen(agent_dir);
	char real[PATH_MAX];

	hold(path);
	if (strlen(path) >= 300) /* it may have been cut */
		return;
	hold(realpath(path + strlen(" names "), real));
	length = strlen(real);
	if (length >= whole)
		hold(strncmp(real, agent_dir, whole) == 0 &&
		     (real[whole] == '/' || real[whole] == '\0'));
	else
		hold(length > 1 && strncmp(real, agent_dir, length) == 0 &&
		     agent_dir[length] == '/');
}

/* The first byte says which file it is. */
int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static const char *const files[] = { SITE "/x.dist-info/direct_url.json", SITE "/x.pth",
		SITE "/x.egg-link", SITE "/__editable__x_finder.py", SITE "/_editable_impl_x.py",
		"/v/pyvenv.cfg" };
	static bool is_built;
	char path[PATH_SIZE], prefix[PATH_SIZE], agent_dir[PATH_SIZE], how[2 * PATH_MAX];

	if (!is_built)
		build();
	is_built = true;
	if (n == 0)
		return 0;
	put(at_root(files[bytes[0] % (sizeof files / sizeof files[0])], path), bytes + 1, n - 1);
	(void)at_root("/a/b", agent_dir);
	if (editable_find(at_root("/v", prefix), agent_dir, how, sizeof how))
		check_told(agent_dir, how);
	hold(unlink(path) == 0);
	return 0;
}
