/* SPDX-License-Identifier: MIT */
/* Lists of patterns for file names. */
#include "patterns.h"

#include <stdlib.h>
#include <string.h>

const char patterns_include[] =
    "*.py,*.pyi,*.so,*.toml,*.yaml,*.yml,*.json,*.ini,*.cfg,*.conf,*.env";
/* 4913 is what vim asks whether it may write; flycheck checks copies. ".*" has the version control systems, venvs and most editors. */
const char patterns_ignore[] =
    ".*,__pycache__,*.pyc,*.pyo,*~,#*#,*.swp,*.swx,*.tmp,*.bak,4913,flycheck_*,"
    "*.egg-info,*.dist-info,node_modules,CVS";

/* Where one list is copied to. */
struct copy {
	struct patterns *patterns;
	char *end; /* of the text so far */
};

/* The first character that means something in a pattern, or the end. */
static size_t
plain_length(const char *text)
{
	return strcspn(text, "*?[\\");
}

static struct pattern
compile(const char *text)
{
	size_t length = strlen(text), plain = plain_length(text);

	if (strchr(text, '/'))
		return (struct pattern){ text, length, PATTERN_PATH };
	if (plain == length)
		return (struct pattern){ text, length, PATTERN_NAME };
	if (plain == length - 1 && text[plain] == '*')
		return (struct pattern){ text, plain, PATTERN_PREFIX };
	if (text[0] == '*' && plain_length(text + 1) == length - 1)
		return (struct pattern){ text + 1, length - 1, PATTERN_SUFFIX };
	return (struct pattern){ text, length, PATTERN_GLOB };
}

static bool
add(struct copy *to, const char *text, size_t length)
{
	struct patterns *patterns = to->patterns;

	if (length == 0 || patterns->n == PATTERNS_MAX)
		return false;
	memcpy(to->end, text, length);
	to->end[length] = '\0';
	patterns->list[patterns->n] = compile(to->end);
	patterns->has_paths |= patterns->list[patterns->n].kind == PATTERN_PATH;
	patterns->n++;
	to->end += length + 1;
	return true;
}

/* The text of one item without the blanks around it. */
static const char *
trim(const char *text, size_t *length)
{
	while (*length > 0 && (*text == ' ' || *text == '\t')) {
		text++;
		(*length)--;
	}
	while (*length > 0 && (text[*length - 1] == ' ' || text[*length - 1] == '\t'))
		(*length)--;
	return text;
}

/* Every item; "default" stands for those of `defaults`, if that is not NULL. */
static bool
add_all(struct copy *to, const char *text, const char *defaults)
{
	static const char word[] = "default";

	for (;;) {
		size_t length = strcspn(text, ","), rest = length;
		const char *item = trim(text, &rest);
		bool is_word = rest == strlen(word) && strncmp(item, word, rest) == 0;

		if (defaults && is_word ? !add_all(to, defaults, NULL) : !add(to, item, rest))
			return false;
		if (text[length] == '\0')
			return true;
		text += length + 1;
	}
}

/* How often the word can stand in the list. */
static size_t
count_items(const char *text)
{
	size_t n = 1;

	for (; *text; text++)
		n += *text == ',';
	return n;
}

bool
patterns_parse(struct patterns *patterns, const char *text, const char *defaults)
{
	struct copy to = { .patterns = patterns };

	patterns->n = 0;
	patterns->has_paths = false;
	patterns->text = malloc(strlen(text) + 1 + count_items(text) * (strlen(defaults) + 1));
	if (!patterns->text)
		return false;
	to.end = patterns->text;
	if (add_all(&to, text, defaults))
		return true;
	patterns_free(patterns);
	return false;
}

bool
patterns_are_valid(const char *text)
{
	struct patterns patterns;

	/* The longer one of the two. */
	if (!patterns_parse(&patterns, text, patterns_ignore))
		return false;
	patterns_free(&patterns);
	return true;
}

/* ---- one pattern ---- */

/*
 * Not fnmatch(3): a static musl one brings 13 KB of tables of the world's letters along, each libc
 * has its own idea of bytes that are no UTF-8, and file names are bytes.
 */

/* One character of a set or pattern, which a backslash may stand before. */
static unsigned char
take_character(const char **p)
{
	if (**p == '\\' && (*p)[1])
		(*p)++;
	return (unsigned char)*(*p)++;
}

/*
 * "[a-z]" at *pattern, "[!…]" for all others. False, and *pattern stays, if it has no end: then '['
 * is a plain character.
 */
static bool
match_set(const char **pattern, char c, bool *found)
{
	const char *p = *pattern + 1, *first;
	bool is_negated = *p == '!' || *p == '^', is_in = false;

	p += is_negated;
	/* A ']' that comes first is one of the set. */
	for (first = p; *p && (*p != ']' || p == first);) {
		unsigned char low = take_character(&p), high = low;

		if (*p == '-' && p[1] && p[1] != ']') {
			p++;
			high = take_character(&p);
		}
		is_in = is_in || ((unsigned char)c >= low && (unsigned char)c <= high);
	}
	if (*p != ']')
		return false;
	*pattern = p + 1;
	*found = is_in != is_negated;
	return true;
}

/* One character, by anything but a '*'. Moves *pattern behind what it was compared with. */
static bool
match_one(const char **pattern, char c)
{
	bool found;

	if (**pattern == '?') {
		(*pattern)++;
		return true;
	}
	if (**pattern == '[' && match_set(pattern, c, &found))
		return found;
	return take_character(pattern) == (unsigned char)c;
}

/* Only the last '*' has to be tried again: what came before it matches as early as it can. */
static bool
match_glob(const char *pattern, const char *text)
{
	const char *star = NULL, *retry = NULL;

	while (*text) {
		if (*pattern == '*') {
			star = ++pattern;
			retry = text;
			continue;
		}
		if (*pattern && match_one(&pattern, *text)) {
			text++;
			continue;
		}
		if (!star)
			return false;
		pattern = star;
		text = ++retry;
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

static bool
matches(const struct pattern *pattern, const char *path, const char *name, size_t length)
{
	switch (pattern->kind) {
	case PATTERN_NAME:
		return strcmp(pattern->text, name) == 0;
	case PATTERN_SUFFIX:
		return length >= pattern->length &&
		       memcmp(name + length - pattern->length, pattern->text, pattern->length) == 0;
	case PATTERN_PREFIX:
		return strncmp(pattern->text, name, pattern->length) == 0;
	case PATTERN_GLOB:
		return match_glob(pattern->text, name);
	case PATTERN_PATH:
		return match_glob(pattern->text, path);
	}
	return false;
}

bool
patterns_match(const struct patterns *patterns, const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t length = strlen(name);

	for (const struct pattern *pattern = patterns->list; pattern < patterns->list + patterns->n;
	     pattern++)
		if (matches(pattern, path, name, length))
			return true;
	return false;
}

void
patterns_free(struct patterns *patterns)
{
	free(patterns->text);
	patterns->text = NULL;
	patterns->n = 0;
}
