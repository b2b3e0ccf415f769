/* SPDX-License-Identifier: MIT */
/* A reason for a failure, made where the facts are and printed by the caller; costs no allocation. */
#ifndef INITD_ERROR_H
#define INITD_ERROR_H

struct error {
	char msg[512];
};

/*
 * Fill *err with a printf-style message (cut if it is too long) and return -1, so that a builder
 * can say `return error_set(err, …);`. Keeps errno.
 */
int error_set(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
