/* SPDX-License-Identifier: MIT */
/* Bytes that may be anything, and what of them a terminal or a JSON reader should see. */
#ifndef INITD_UTF8_H
#define INITD_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* The length of the UTF-8 character at text, or 0 if it is none (RFC 3629: no overlong forms, no surrogates). */
size_t utf8_length(const char *text);

/* Is it a control character: C0, DEL or C1 (U+0080 to U+009F; U+009B begins an escape sequence)? */
bool utf8_is_control(const char *text);

/* Put a '?' in the place of every control character and of every byte that is no UTF-8. */
void utf8_make_printable(char *text);

#endif
