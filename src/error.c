/* SPDX-License-Identifier: MIT */
/* A reason for a failure, without allocation. */
#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int
error_set(struct error *err, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(err->msg, sizeof err->msg, fmt, ap); /* a message that is cut still helps */
	va_end(ap);
	errno = saved;
	return -1;
}
