/* SPDX-License-Identifier: MIT */
/* Of which patterns fnmatch(3) can be the oracle, whatever libc it is of. */
#ifndef INITD_TEST_SETTLED_H
#define INITD_TEST_SETTLED_H

#include <stdbool.h>
#include <string.h>

/* Does each '[' have its ']'? Where a set begins with one, that is in it. */
static inline bool
has_whole_sets(const char *pattern)
{
	for (const char *p = strchr(pattern, '['); p; p = strchr(p, '[')) {
		p += p[1] == '!' ? 2 : 1;
		if (*p == '\0' || !strchr(p + 1, ']'))
			return false;
	}
	return true;
}

/*
 * Not what libcs disagree about, or POSIX leaves open: [.x.], [=x=], [:x:], "[^", a set without an
 * end, backslashes in one, and a backslash at the end.
 */
static inline bool
is_settled(const char *pattern)
{
	size_t length = strlen(pattern), backslashes = 0;

	while (backslashes < length && pattern[length - 1 - backslashes] == '\\')
		backslashes++;
	return backslashes % 2 == 0 && has_whole_sets(pattern) &&
	       !(strchr(pattern, '[') && strchr(pattern, '\\')) && !strstr(pattern, "[.") &&
	       !strstr(pattern, "[=") && !strstr(pattern, "[:") && !strstr(pattern, "[^");
}

#endif
