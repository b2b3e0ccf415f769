/* SPDX-License-Identifier: MIT */
/* Bytes that may be anything. */
#include "utf8.h"

static bool
is_continuation(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

size_t
utf8_length(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

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

bool
utf8_is_control(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	return s[0] < 0x20 || s[0] == 0x7f || (s[0] == 0xc2 && s[1] >= 0x80 && s[1] <= 0x9f);
}

void
utf8_make_printable(char *text)
{
	while (*text) {
		size_t length = utf8_length(text);
		bool is_good = length > 0 && !utf8_is_control(text);

		/* A C1 control is two bytes, and so are its marks. */
		for (size_t i = 0; !is_good && i < (length ? length : 1); i++)
			text[i] = '?';
		text += length ? length : 1;
	}
}
