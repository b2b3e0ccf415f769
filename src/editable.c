/* SPDX-License-Identifier: MIT */
/* Does an environment of Python have an editable install that points to AGENT_DIR? */
#include "editable.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Paths are not compared as text: two of them lead to the same directory if that is the same on the
 * disk. This also needs no buffers of PATH_MAX; what is used of the stack here stays in memory as
 * long as the server lives.
 */

enum {
	/* Such files are small; the mapping of a finder is one line for each module. */
	FILE_MAX_BYTES = 64 * 1024,
	PLACE_FLAGS = O_PATH | O_DIRECTORY | O_CLOEXEC,
};

/* What is looked for, and where. */
struct search {
	int agent_fd;
	struct stat agent, packages; /* AGENT_DIR, and the directory of the packages */
	char how[640];               /* what was found */
};

/* ---- places ---- */

static bool
is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

/* Is the directory `fd` this one, or somewhere in it? Closes fd. */
static bool
is_in(int fd, const struct stat *outer)
{
	struct stat here, below = { 0 };
	bool found = false, is_top = false;

	while (fd >= 0 && !found && !is_top) {
		int above = -1;

		if (fstat(fd, &here) == 0) {
			found = is_same(&here, outer);
			is_top = is_same(&here, &below);
			below = here;
			above = openat(fd, "..", PLACE_FLAGS);
		}
		(void)close(fd);
		fd = above;
	}
	if (fd >= 0)
		(void)close(fd);
	return found;
}

/* The directory that a path is, or that the file is in; or -1. Of a single module setuptools' finder leaves the .py out. */
static int
open_place(char *path)
{
	int fd = open(path, PLACE_FLAGS);
	char *slash = strrchr(path, '/'), module[NAME_MAX + 4];
	bool exists;

	if (fd >= 0 || slash == path || !slash[1])
		return fd;
	exists = errno == ENOTDIR;
	*slash = '\0';
	fd = open(path, PLACE_FLAGS);
	*slash = '/';
	(void)snprintf(module, sizeof module, "%s.py", slash + 1);
	if (fd >= 0 && !exists && faccessat(fd, module, F_OK, 0) < 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

/* The root of the file system is above everything, and nobody's project; what is installed is no source. */
static bool
is_related(const struct search *search, char *path)
{
	int fd = open_place(path);
	struct stat place, root;
	bool is_source;

	if (fd < 0)
		return false;
	is_source = fstat(fd, &place) == 0 && stat("/", &root) == 0 && !is_same(&place, &root) &&
		    !is_in(dup(fd), &search->packages);
	if (!is_source) {
		(void)close(fd);
		return false;
	}
	return is_in(fd, &search->agent) || is_in(dup(search->agent_fd), &place);
}

static bool
note(struct search *search, const char *file, const char *path)
{
	(void)snprintf(search->how, sizeof search->how, "%s names %.300s", file, path);
	return true;
}

/* ---- what a file says; its text is taken apart in place ---- */

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Up to the closing quote of a JSON string, %XX decoded (RFC 3986, 2.1); false if it has no end. */
static bool
take_url_path(char *text)
{
	char *out = text;

	for (; *text && *text != '"'; text++) {
		int high = *text == '%' ? hex_digit(text[1]) : -1;
		int low = high >= 0 ? hex_digit(text[2]) : -1;
		int byte = low >= 0 ? high * 16 + low : *text;

		if (*text == '\\' && text[1] == '/')
			continue;
		*out++ = (char)byte;
		text += low >= 0 ? 2 : 0;
	}
	if (*text != '"')
		return false;
	*out = '\0';
	return true;
}

/* What stands behind "KEY" : in a JSON text, or NULL. */
static char *
json_value(char *text, const char *key)
{
	size_t length = strlen(key);

	while ((text = strstr(text, key))) {
		char *value = text + length;

		value += strspn(value, " \t\r\n");
		if (*value == ':')
			return value + 1 + strspn(value + 1, " \t\r\n");
		text += length;
	}
	return NULL;
}

/* {"url": "file:///app", "dir_info": {"editable": true}} */
static bool
in_direct_url(struct search *search, const char *file, char *text)
{
	const char *editable = json_value(text, "\"editable\"");
	char *url = json_value(text, "\"url\"");

	if (!editable || strncmp(editable, "true", 4) != 0 || !url ||
	    strncmp(url, "\"file://", 8) != 0)
		return false;
	url = strchr(url + 8, '/'); /* a host may stand before it (RFC 8089) */
	return url && take_url_path(url) && is_related(search, url) && note(search, file, url);
}

/* A line that begins with / is a path, to the last that is no blank; others are comments, code or relative. */
static bool
in_path_lines(struct search *search, const char *file, char *text)
{
	while (*text) {
		size_t length = strcspn(text, "\r\n"), end = length;
		char *next = text + length + strspn(text + length, "\r\n");

		while (end > 0 && (text[end - 1] == ' ' || text[end - 1] == '\t'))
			end--;
		text[end] = '\0';
		if (*text == '/' && is_related(search, text))
			return note(search, file, text);
		text = next;
	}
	return false;
}

/* Every string of the program that begins with / is tried; it is a mapping of modules to files. */
static bool
in_finder(struct search *search, const char *file, char *text)
{
	for (; (text = strpbrk(text, "'\"")); text++) {
		const char quote[] = { *text, '\n', '\0' };
		char *end = text + 1 + strcspn(text + 1, quote), last = *end;

		if (text[1] != '/')
			continue;
		*end = '\0';
		if (is_related(search, text + 1))
			return note(search, file, text + 1);
		*end = last;
		text = end - (last == '\0');
	}
	return false;
}

/* ---- the files ---- */

/* The one list of them, by name in site-packages. All in the row, as in options.c. */
static const struct {
	char begin[16], end[16];
	char inside[16]; /* a file in a directory of that name; or "" */
	enum {
		DIRECT_URL,
		PATH_LINES,
		FINDER
	} form;
} kinds[] = {
	{ "", ".dist-info", "direct_url.json", DIRECT_URL },
	{ "", ".pth", "", PATH_LINES },
	{ "", ".egg-link", "", PATH_LINES },
	{ "__editable__", "_finder.py", "", FINDER },
	{ "_editable_impl_", ".py", "", FINDER },
};

enum {
	N_KINDS = sizeof kinds / sizeof kinds[0],
};

/* The text of a small regular file, to be freed; NULL if it is none. */
static char *
read_text(int dir_fd, const char *path)
{
	int fd = openat(dir_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	char *text = NULL;
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= FILE_MAX_BYTES)
		text = malloc((size_t)st.st_size + 1);
	if (text) {
		n = read(fd, text, (size_t)st.st_size);
		text[n > 0 ? n : 0] = '\0';
	}
	(void)close(fd);
	return text;
}

static bool
names_path(struct search *search, size_t kind, const char *file, char *text)
{
	switch (kinds[kind].form) {
	case DIRECT_URL:
		return in_direct_url(search, file, text);
	case PATH_LINES:
		return in_path_lines(search, file, text);
	case FINDER:
		return in_finder(search, file, text);
	}
	return false;
}

static bool
begins_and_ends(const char *name, const char *begin, const char *end)
{
	size_t length = strlen(name);

	return length >= strlen(begin) + strlen(end) && strncmp(name, begin, strlen(begin)) == 0 &&
	       strcmp(name + length - strlen(end), end) == 0;
}

static bool
look_at(struct search *search, int dir_fd, const char *name, size_t kind)
{
	char file[NAME_MAX + 32];
	char *text;
	bool found;

	if (!begins_and_ends(name, kinds[kind].begin, kinds[kind].end))
		return false;
	(void)snprintf(
	    file, sizeof file, "%s%s%s", name, *kinds[kind].inside ? "/" : "", kinds[kind].inside);
	text = read_text(dir_fd, file);
	found = text && names_path(search, kind, file, text);
	free(text);
	return found;
}

/* The kinds in their order, because what the installer says is the best reason to give. Closes fd. */
static bool
look_through(struct search *search, int fd)
{
	DIR *dir = fstat(fd, &search->packages) == 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	bool found = false;

	if (!dir) {
		(void)close(fd);
		return false;
	}
	for (size_t kind = 0; kind < N_KINDS && !found; kind++) {
		rewinddir(dir);
		while (!found && (entry = readdir(dir)))
			found = look_at(search, dirfd(dir), entry->d_name, kind);
	}
	(void)closedir(dir);
	return found;
}

static int
open_dir(int dir_fd, const char *path)
{
	return openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* LIB/python3.13/site-packages, and what Debian calls dist-packages. */
static bool
look_in_lib(struct search *search, int lib_fd, const char *name)
{
	static const char folders[][16] = { "site-packages", "dist-packages" };
	char path[NAME_MAX + 16];
	bool found = false;
	int fd;

	if (strncmp(name, "python", strlen("python")) != 0)
		return false;
	for (size_t i = 0; i < sizeof folders / sizeof folders[0] && !found; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", name, folders[i]);
		fd = open_dir(lib_fd, path);
		found = fd >= 0 && look_through(search, fd);
	}
	return found;
}

static bool
look_in_libs(struct search *search, const char *prefix)
{
	static const char libs[][8] = { "lib", "lib64" }; /* mostly one is a link to the other */
	int prefix_fd = open(prefix, PLACE_FLAGS);
	const struct dirent *entry;
	bool found = false;

	for (size_t i = 0; prefix_fd >= 0 && i < sizeof libs / sizeof libs[0] && !found; i++) {
		int fd = open_dir(prefix_fd, libs[i]);
		DIR *dir = fd < 0 ? NULL : fdopendir(fd);

		while (dir && !found && (entry = readdir(dir)))
			found = look_in_lib(search, fd, entry->d_name);
		if (dir)
			(void)closedir(dir);
		else if (fd >= 0)
			(void)close(fd);
	}
	if (prefix_fd >= 0)
		(void)close(prefix_fd);
	return found;
}

/* Debian's pip installs to /usr/local for the Python of /usr. */
static bool
look_in_prefix(struct search *search, const char *prefix)
{
	return look_in_libs(search, prefix) ||
	       (strcmp(prefix, "/usr") == 0 && look_in_libs(search, "/usr/local"));
}

/* The value of a line KEY = VALUE of pyvenv.cfg, cut out of the text behind it; NULL if there is none. */
static const char *
venv_value(char *text, const char *key)
{
	for (char *line = text; *line; line += *line == '\n') {
		size_t length = strcspn(line, "\r\n"), n = strspn(line, " \t");

		if (strncmp(line + n, key, strlen(key)) == 0) {
			n += strlen(key);
			n += strspn(line + n, " \t");
			if (line[n] == '=') {
				line[length] = '\0';
				return line + n + 1 + strspn(line + n + 1, " \t");
			}
		}
		line += length + (line[length] == '\r');
	}
	return NULL;
}

/* The prefix below the venv's own, if it includes that one's packages (PEP 405). */
static bool
look_in_base(struct search *search, const char *venv)
{
	int dir_fd = open(venv, PLACE_FLAGS);
	char *home = dir_fd < 0 ? NULL : read_text(dir_fd, "pyvenv.cfg");
	char *includes = dir_fd < 0 ? NULL : read_text(dir_fd, "pyvenv.cfg");
	const char *value = includes ? venv_value(includes, "include-system-site-packages") : NULL;
	const char *base = home ? venv_value(home, "home") : NULL;
	char *slash = base ? strrchr(base, '/') : NULL; /* home is its bin */
	bool found = false;

	if (value && strcasecmp(value, "true") == 0 && slash && slash > base) {
		*slash = '\0';
		found = look_in_prefix(search, base);
	}
	free(includes);
	free(home);
	if (dir_fd >= 0)
		(void)close(dir_fd);
	return found;
}

bool
editable_find(const char *prefix, const char *agent_dir, char *how, size_t size)
{
	struct search search = { .agent_fd = open(agent_dir, PLACE_FLAGS) };
	struct stat root;
	bool found = false;

	if (search.agent_fd < 0)
		return false;
	if (fstat(search.agent_fd, &search.agent) == 0 && stat("/", &root) == 0 &&
	    !is_same(&search.agent, &root))
		found = look_in_prefix(&search, prefix) || look_in_base(&search, prefix);
	(void)close(search.agent_fd);
	if (found)
		(void)snprintf(how, size, "%s", search.how);
	return found;
}
