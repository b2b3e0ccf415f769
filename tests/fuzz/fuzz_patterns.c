/* SPDX-License-Identifier: MIT */
/* Any text as a list of patterns, any other as a path: the same as fnmatch(3) says of each pattern alone. */
#include "../unit/settled.h"
#include "hold.h"
#include "patterns.h"

#include <fnmatch.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static const char defaults[] = "*.py,a/*,.*";

/* Each pattern of the list by itself. */
struct oracle {
	size_t n;        /* patterns, "default" counted as what it stands for */
	bool is_list;    /* none is empty */
	bool is_settled; /* all of them are */
	bool matches;
};

static bool
fnmatch_says(const char *pattern, const char *path)
{
	const char *slash = strrchr(path, '/');

	return fnmatch(pattern, strchr(pattern, '/') || !slash ? path : slash + 1, 0) == 0;
}

static void
ask_item(struct oracle *oracle, const char *item, const char *path)
{
	oracle->n++;
	oracle->is_list = oracle->is_list && *item;
	oracle->is_settled = oracle->is_settled && is_settled(item);
	oracle->matches = oracle->matches || (is_settled(item) && fnmatch_says(item, path));
}

static void
ask(struct oracle *oracle, const char *text, const char *path)
{
	for (bool more = true; more;) {
		size_t length = strcspn(text, ",");
		char *item;

		more = text[length] == ',';
		item = strndup(text, length);
		hold(item);
		memmove(item, item + strspn(item, " \t"), strlen(item + strspn(item, " \t")) + 1);
		while (*item && strchr(" \t", item[strlen(item) - 1]))
			item[strlen(item) - 1] = '\0';
		if (strcmp(item, "default") == 0 && text != defaults)
			ask(oracle, defaults, path);
		else
			ask_item(oracle, item, path);
		free(item);
		text += length + more;
	}
}

/* What is below a root. */
static bool
is_path(const char *text)
{
	size_t length = strlen(text);

	return length > 0 && text[0] != '/' && text[length - 1] != '/' && !strstr(text, "//");
}

/* The list, a line end, and the path. */
int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct oracle oracle = { .is_list = true, .is_settled = true };
	char *text = malloc(n + 1), *path;
	struct patterns patterns;

	hold(text);
	memcpy(text, bytes, n);
	text[n] = '\0';
	path = strchr(text, '\n');
	if (path)
		*path++ = '\0';
	if (!path || !is_path(path))
		path = text + strlen(text);
	/* fnmatch(3) may try all the ways there are. */
	if (strlen(text) <= 200 && strlen(path) <= 100) {
		ask(&oracle, text, path);
		hold(patterns_parse(&patterns, text, defaults) ==
		     (oracle.is_list && oracle.n <= PATTERNS_MAX));
		if (oracle.is_list && oracle.n <= PATTERNS_MAX) {
			hold(patterns.n == oracle.n);
			if (oracle.is_settled && *path)
				hold(patterns_match(&patterns, path) == oracle.matches);
			else
				(void)patterns_match(&patterns, path);
			patterns_free(&patterns);
		}
	} else if (patterns_parse(&patterns, text, defaults)) {
		hold(patterns.n > 0 && patterns.n <= PATTERNS_MAX);
		(void)patterns_match(&patterns, path);
		patterns_free(&patterns);
	}
	free(text);
	return 0;
}
