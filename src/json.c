/* SPDX-License-Identifier: MIT */
/* Text as a JSON string. */
#include "json.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool
is_continuation(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* The length of the UTF-8 character at s, or 0 if it is none (RFC 3629: no overlong forms, no surrogates). */
static size_t
utf8_length(const unsigned char *s)
{
	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		return is_continuation(s[1]) ? 2 : 0;
	if (s[0] >= 0xe0 && s[0] <= 0xef) {
		if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f))
			return 0;
		return is_continuation(s[1]) && is_continuation(s[2]) ? 3 : 0;
	}
	if (s[0] >= 0xf0 && s[0] <= 0xf4) {
		if ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
			return 0;
		return is_continuation(s[1]) && is_continuation(s[2]) && is_continuation(s[3]) ? 4
											       : 0;
	}
	return 0;
}

size_t
json_string(char *out, size_t size, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t n = 0;

	out[n++] = '"';
	while (*s) {
		char escaped[8];
		const char *piece = escaped;
		size_t taken = utf8_length(s), length;

		if (taken == 0) {
			piece = "\\ufffd";
			taken = 1;
			length = strlen(piece);
		} else if (*s == '"' || *s == '\\') {
			length = (size_t)snprintf(escaped, sizeof escaped, "\\%c", *s);
		} else if (*s < 0x20 || *s == 0x7f) {
			length = (size_t)snprintf(escaped, sizeof escaped, "\\u%04x", *s);
		} else {
			piece = (const char *)s;
			length = taken;
		}
		if (n + length + 2 > size)
			break;
		memcpy(out + n, piece, length);
		n += length;
		s += taken;
	}
	out[n++] = '"';
	out[n] = '\0';
	return n;
}
