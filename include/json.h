/* SPDX-License-Identifier: MIT */
/* Text as a JSON string (RFC 8259, section 7). */
#ifndef INITD_JSON_H
#define INITD_JSON_H

#include <stddef.h>

/*
 * Write `text` to out[size] as a quoted JSON string and return its length without the final NUL.
 * Bytes that are not UTF-8 become U+FFFD. What does not fit is left out at a character's border;
 * the closing quote always fits. size must be at least 3.
 */
size_t json_string(char *out, size_t size, const char *text);

#endif
