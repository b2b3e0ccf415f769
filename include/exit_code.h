/* SPDX-License-Identifier: MIT */
/* The exit codes that are initd's own; any other is the server's. */
#ifndef INITD_EXIT_CODE_H
#define INITD_EXIT_CODE_H

enum exit_code {
	EXIT_CODE_OK = 0,
	EXIT_CODE_UNHEALTHY =
	    1, /* what a HEALTHCHECK may say; also of a hung server that ended with 0 */
	EXIT_CODE_USAGE = 64,           /* sysexits.h: EX_USAGE */
	EXIT_CODE_UNAVAILABLE = 69,     /* EX_UNAVAILABLE: no initd to ask */
	EXIT_CODE_REFUSED = 71,         /* EX_OSERR: fork, memory, descriptors */
	EXIT_CODE_PRIVILEGES = 77,      /* EX_NOPERM */
	EXIT_CODE_CONFIG = 78,          /* EX_CONFIG */
	EXIT_CODE_CANNOT_EXECUTE = 126, /* as a shell says it (XCU 2.8.2) */
	EXIT_CODE_NOT_FOUND = 127,
	EXIT_CODE_SIGNAL = 128, /* plus the signal's number */
	EXIT_CODE_KILLED = EXIT_CODE_SIGNAL + 9,
};

#endif
