/* SPDX-License-Identifier: MIT */
/* What the image holds: AGENT_DIR, its venv, the one package in it. */
#include "agent.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
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

/* ---- what a command runs ---- */

enum {
	SCRIPT_BYTES = 4096, /* of a program's text that are read */
	WORD_SIZE = 256,
};

/* Does a module of this name live in agent_dir: X.py, or a directory X? */
static bool
has_module(const char *agent_dir, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	if (!is_identifier(name))
		return false;
	if (snprintf(path, sizeof path, "%s/%s.py", agent_dir, name) < (int)sizeof path &&
	    stat(path, &st) == 0)
		return true;
	return snprintf(path, sizeof path, "%s/%s", agent_dir, name) < (int)sizeof path &&
	       agent_check_dir(path) == 0;
}

static bool
is_file_in(const char *agent_dir, const char *word)
{
	char dir[PATH_MAX], path[PATH_MAX];
	size_t length = strlen(word);

	if (length <= 3 || strcmp(word + length - 3, ".py") != 0 || !realpath(agent_dir, dir) ||
	    !realpath(word, path))
		return false;
	length = strlen(dir);
	return strncmp(path, dir, length) == 0 && path[length] == '/';
}

/* Where the reading of a command or script stands. */
struct reading {
	bool is_module; /* the next word is a module, however it looks */
	bool is_file;   /* the next word that is no option may be a FILE.py to run */
	bool is_from;   /* `from X` was read: what `import` brings is no module */
	bool is_over;   /* what comes is read by somebody else */
};

const char *
agent_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

bool
agent_is_python(const char *word)
{
	return strncmp(agent_base_name(word), "python", strlen("python")) == 0;
}

static bool
is_one_of(const char *word, const char names[][12], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(word, names[i]) == 0)
			return true;
	return false;
}

/* Those who are given modules and files to look at, not to serve. */
static bool
is_examiner(const char *word)
{
	static const char names[][12] = { "pytest", "py.test", "unittest", "doctest", "mypy",
		"pylint" };

	return is_one_of(word, names, sizeof names / sizeof names[0]);
}

static bool
introduces_module(const char *word)
{
	static const char words[][12] = { "-m", "--app", "from", "import" };

	return is_one_of(word, words, sizeof words / sizeof words[0]);
}

/* python FILE, fastapi run FILE, uv run FILE. */
static bool
introduces_file(const char *word)
{
	static const char words[][12] = { "run", "dev" };

	return is_one_of(word, words, sizeof words / sizeof words[0]) ||
	       strncmp(word, "python", strlen("python")) == 0;
}

/* X.y, X:app, or X alone where a module is due. */
static bool
names_module(const char *agent_dir, char *word, bool is_due)
{
	size_t length = strcspn(word, ".:");
	bool has_more = word[length] != '\0' && word[length + 1] != '\0';

	if (!has_more && !is_due)
		return false;
	word[length] = '\0';
	return has_module(agent_dir, word);
}

/* One word; what it means depends on those before it. */
static bool
word_names_module(const char *agent_dir, char *word, struct reading *at)
{
	bool is_module = at->is_module, is_from = at->is_from;

	at->is_over = at->is_over || is_examiner(agent_base_name(word));
	if (at->is_over)
		return false;
	if (introduces_module(word)) {
		at->is_from = strcmp(word, "from") == 0;
		at->is_module = strcmp(word, "import") != 0 || !is_from;
		at->is_file = false;
		return false;
	}
	if (at->is_file && is_file_in(agent_dir, word))
		return true;
	at->is_file = introduces_file(agent_base_name(word)) || (at->is_file && word[0] == '-');
	at->is_module = false;
	return names_module(agent_dir, word, is_module);
}

/* Each word of a command or script; quotes and operators of a shell or of Python separate them. */
static bool
text_names_module(const char *agent_dir, const char *text, struct reading *at)
{
	static const char separators[] = " \t\r\n'\"`;&|()<>=,[]{}";
	char word[WORD_SIZE];

	while (*(text += strspn(text, separators))) {
		size_t length = strcspn(text, separators);

		if (length < sizeof word) {
			memcpy(word, text, length);
			word[length] = '\0';
			if (word_names_module(agent_dir, word, at))
				return true;
		}
		text += length;
	}
	return false;
}

static bool
script_names_module(const char *agent_dir, const char *program)
{
	char text[SCRIPT_BYTES + 1];
	int fd = open(program, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, SCRIPT_BYTES);
	struct reading at = { 0 };

	if (fd >= 0)
		(void)close(fd);
	text[n > 0 ? n : 0] = '\0';
	return strncmp(text, "#!", 2) == 0 && text_names_module(agent_dir, text, &at);
}

bool
agent_is_run_by(const char *agent_dir, char *const *argv, const char *program)
{
	bool is_python = argv[0] && agent_is_python(argv[0]);
	struct reading at = { .is_file = true };

	for (char *const *word = argv; *word && !at.is_over; word++) {
		/* A text of Python is no server, whatever it imports. */
		if (is_python && strcmp(*word, "-c") == 0)
			return false;
		/* As it is, because a path may have blanks in it. */
		if ((at.is_file && is_file_in(agent_dir, *word)) ||
		    text_names_module(agent_dir, *word, &at))
			return true;
	}
	return program && !at.is_over && script_names_module(agent_dir, program);
}
