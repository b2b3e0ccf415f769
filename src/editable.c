/* SPDX-License-Identifier: MIT */
/* Does an environment of Python have an editable install that points to AGENT_DIR? */
#include "editable.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	/* Such files are small; the mapping of a finder is one line for each module. */
	FILE_MAX_BYTES = 64 * 1024,
};

/* What is looked for, and where it was found. */
struct search {
	char agent_dir[PATH_MAX], packages[PATH_MAX]; /* where it looks; both without links */
	char how[640];                                /* what was found */
};

/* ---- paths ---- */

/* Is `inner` below `outer`, or the same? */
static bool
is_below(const char *inner, const char *outer)
{
	size_t length = strlen(outer);

	return strncmp(inner, outer, length) == 0 &&
	       (inner[length] == '/' || inner[length] == '\0');
}

/* The root of the file system is above everything, and nobody's project; what is installed is no source. */
static bool
is_related(const struct search *search, const char *path)
{
	char file[PATH_MAX + 4], real[PATH_MAX];

	/* setuptools' finder leaves the .py of a single module out. */
	(void)snprintf(file, sizeof file, "%s.py", path);
	if ((!realpath(path, real) && !realpath(file, real)) || strcmp(real, "/") == 0 ||
	    is_below(real, search->packages))
		return false;
	return is_below(real, search->agent_dir) || is_below(search->agent_dir, real);
}

static bool
note(struct search *search, const char *file, const char *path)
{
	(void)snprintf(search->how, sizeof search->how, "%s names %.300s", file, path);
	return true;
}

/* ---- what a file says ---- */

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Copy up to the closing quote of a JSON string, %XX decoded (RFC 3986, 2.1); false if it does not fit or has no end. */
static bool
take_url_path(const char *text, char *out, size_t size)
{
	size_t n = 0;

	for (; *text && *text != '"'; text++) {
		int high = *text == '%' ? hex_digit(text[1]) : -1;
		int low = high >= 0 ? hex_digit(text[2]) : -1;
		int byte = low >= 0 ? high * 16 + low : *text;

		if (n + 1 >= size)
			return false;
		if (*text == '\\' && text[1] == '/')
			continue;
		out[n++] = (char)byte;
		text += low >= 0 ? 2 : 0;
	}
	out[n] = '\0';
	return *text == '"';
}

/* What stands behind "KEY" : in a JSON text, or NULL. */
static const char *
json_value(const char *text, const char *key)
{
	size_t length = strlen(key);

	while ((text = strstr(text, key))) {
		const char *value = text + length;

		value += strspn(value, " \t\r\n");
		if (*value == ':')
			return value + 1 + strspn(value + 1, " \t\r\n");
		text += length;
	}
	return NULL;
}

/* {"url": "file:///app", "dir_info": {"editable": true}} */
static bool
in_direct_url(struct search *search, const char *file, const char *text)
{
	const char *editable = json_value(text, "\"editable\""), *url = json_value(text, "\"url\"");
	char path[PATH_MAX];

	if (!editable || strncmp(editable, "true", 4) != 0 || !url ||
	    strncmp(url, "\"file://", 8) != 0)
		return false;
	url = strchr(url + 8, '/'); /* a host may stand before it (RFC 8089) */
	return url && take_url_path(url, path, sizeof path) && is_related(search, path) &&
	       note(search, file, path);
}

/* A line that begins with / is a path, to the last that is no blank; others are comments, code or relative. */
static bool
in_path_lines(struct search *search, const char *file, const char *text)
{
	while (*text) {
		size_t length = strcspn(text, "\r\n"), end = length;
		char path[PATH_MAX];

		while (end > 0 && (text[end - 1] == ' ' || text[end - 1] == '\t'))
			end--;
		if (*text == '/' && end < sizeof path) {
			memcpy(path, text, end);
			path[end] = '\0';
			if (is_related(search, path))
				return note(search, file, path);
		}
		text += length;
		text += strspn(text, "\r\n");
	}
	return false;
}

/* Every string of the program that begins with / is tried; it is a mapping of modules to files. */
static bool
in_finder(struct search *search, const char *file, const char *text)
{
	for (; (text = strpbrk(text, "'\"")); text++) {
		const char quote[] = { *text, '\n', '\0' };
		size_t length = strcspn(text + 1, quote);
		char path[PATH_MAX];

		if (text[1] != '/' || length >= sizeof path)
			continue;
		memcpy(path, text + 1, length);
		path[length] = '\0';
		if (is_related(search, path))
			return note(search, file, path);
		text += length;
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
names_path(struct search *search, size_t kind, const char *file, const char *text)
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

/* The kinds in their order, because what the installer says is the best reason to give. */
static bool
look_through(struct search *search, const char *site_packages)
{
	DIR *dir = opendir(site_packages);
	const struct dirent *entry;
	bool found = false;

	if (!dir || !realpath(site_packages, search->packages)) {
		if (dir)
			(void)closedir(dir);
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

/* LIB/python3.13/site-packages, and what Debian calls dist-packages. */
static bool
look_in_lib(struct search *search, const char *lib)
{
	static const char names[][16] = { "site-packages", "dist-packages" };
	DIR *dir = opendir(lib);
	const struct dirent *entry;
	bool found = false;
	char path[PATH_MAX];

	if (!dir)
		return false;
	while (!found && (entry = readdir(dir)))
		for (size_t i = 0; i < sizeof names / sizeof names[0] && !found; i++)
			found = strncmp(entry->d_name, "python", strlen("python")) == 0 &&
				snprintf(path, sizeof path, "%s/%s/%s", lib, entry->d_name,
				    names[i]) < (int)sizeof path &&
				look_through(search, path);
	(void)closedir(dir);
	return found;
}

static bool
look_in_prefix(struct search *search, const char *prefix)
{
	static const char libs[][8] = { "lib", "lib64" }; /* mostly one is a link to the other */
	char path[PATH_MAX];
	bool found = false;

	for (size_t i = 0; i < sizeof libs / sizeof libs[0] && !found; i++)
		found = snprintf(path, sizeof path, "%s/%s", prefix, libs[i]) < (int)sizeof path &&
			look_in_lib(search, path);
	return found;
}

/* The value of a line KEY = VALUE of pyvenv.cfg; false if there is none. */
static bool
venv_value(const char *text, const char *key, char *value, size_t size)
{
	while (*text) {
		size_t length = strcspn(text, "\r\n"), n = strspn(text, " \t");

		if (strncmp(text + n, key, strlen(key)) == 0) {
			n += strlen(key);
			n += strspn(text + n, " \t");
			if (text[n] == '=') {
				n += 1 + strspn(text + n + 1, " \t");
				return n <= length && snprintf(value, size, "%.*s",
							  (int)(length - n), text + n) < (int)size;
			}
		}
		text += length;
		text += strspn(text, "\r\n");
	}
	return false;
}

/* The prefix below the venv's own, if it includes that one's packages (PEP 405). */
static bool
base_prefix(const char *venv, char base[PATH_MAX])
{
	int dir_fd = open(venv, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char *text = dir_fd < 0 ? NULL : read_text(dir_fd, "pyvenv.cfg"), includes[8], *slash;
	bool found = text &&
		     venv_value(text, "include-system-site-packages", includes, sizeof includes) &&
		     strcasecmp(includes, "true") == 0 && venv_value(text, "home", base, PATH_MAX);

	free(text);
	if (dir_fd >= 0)
		(void)close(dir_fd);
	slash = found ? strrchr(base, '/') : NULL; /* home is its bin */
	if (slash)
		*slash = '\0';
	return slash && slash > base;
}

/* Debian's pip installs to /usr/local for the Python of /usr. */
static bool
look_in_base(struct search *search, const char *venv)
{
	char base[PATH_MAX];

	if (!base_prefix(venv, base))
		return false;
	return look_in_prefix(search, base) ||
	       (strcmp(base, "/usr") == 0 && look_in_prefix(search, "/usr/local"));
}

bool
editable_find(const char *prefix, const char *agent_dir, char *how, size_t size)
{
	struct search search;

	if (!realpath(agent_dir, search.agent_dir) || strcmp(search.agent_dir, "/") == 0)
		return false;
	if (!look_in_prefix(&search, prefix) && !look_in_base(&search, prefix))
		return false;
	(void)snprintf(how, size, "%s", search.how);
	return true;
}
