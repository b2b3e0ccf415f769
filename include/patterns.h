/* SPDX-License-Identifier: MIT */
/* Lists of patterns for file names: which files count, which are not looked at. */
#ifndef INITD_PATTERNS_H
#define INITD_PATTERNS_H

#include <stdbool.h>
#include <stddef.h>

enum {
	PATTERNS_MAX = 64, /* in one list */
};

/*
 * `*`, `?`, `[a-z]`, `[!a-z]` and `\\` as in glob(7), on bytes. Most patterns need none of that, and
 * a large tree asks often.
 */
enum pattern_kind {
	PATTERN_NAME,   /* no wildcard: the name itself */
	PATTERN_SUFFIX, /* "*text" */
	PATTERN_PREFIX, /* "text*" */
	PATTERN_GLOB,
	PATTERN_PATH, /* has a '/': compared with the path below the root, where '*' crosses '/' */
};

struct pattern {
	const char *text; /* what is compared; for PATTERN_SUFFIX without its '*' */
	size_t length;
	enum pattern_kind kind;
};

struct patterns {
	char *text; /* a copy that the patterns point into */
	size_t n;
	bool has_paths; /* else names are all that has to be known */
	struct pattern list[PATTERNS_MAX];
};

/* The built-in lists: what a server's code and configuration is called, and what is neither. */
extern const char patterns_include[], patterns_ignore[];

/*
 * The comma-separated patterns of `text`; blanks around them do not count, and the word "default"
 * stands for all of `defaults`. False, with nothing to free, if one is empty, there are too many,
 * or memory is short.
 */
bool patterns_parse(struct patterns *patterns, const char *text, const char *defaults);

/*
 * Does one of them match? `path` is below the root and does not start with '/'; its last part is
 * the name that patterns without a '/' are compared with.
 */
bool patterns_match(const struct patterns *patterns, const char *path);

/* Can the text be read, whichever list "default" stands for? */
bool patterns_are_valid(const char *text);

void patterns_free(struct patterns *patterns);

#endif
