/* SPDX-License-Identifier: MIT */
/* Text as a JSON string. */
#include "json.h"

#include "utf8.h"

#include <stdio.h>
#include <string.h>

size_t
json_string(char *out, size_t size, const char *text)
{
	const char *s = text;
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
		} else if (utf8_is_control(s)) {
			/* The second byte of a C1 control is its code. */
			length = (size_t)snprintf(
			    escaped, sizeof escaped, "\\u%04x", (unsigned char)s[taken - 1]);
		} else {
			piece = s;
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
