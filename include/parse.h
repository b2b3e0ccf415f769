/* SPDX-License-Identifier: MIT */
/* Text to number, duration, truth, signal, words. Pure; every parser leaves *out untouched on false. */
#ifndef INITD_PARSE_H
#define INITD_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The real-time signals are named as glibc, kill(1) and Python on Debian count them, whatever libc
 * initd is built with. The kernel's begin at 32; 32 and 33 are internal to every libc.
 */
enum {
	SIGNAL_RTMIN = 34,
	SIGNAL_MAX = 64,
};

/* A set of exit codes. */
struct code_set {
	uint64_t bits[256 / 64];
};

/* Digits only: no sign, no blank, no prefix; at most `max`. */
bool parse_number(const char *text, uint64_t max, uint64_t *out);

/* "0", or one or more of NUMBER{ms,s,m,h} in a row as in "1m30s"; milliseconds, at most a year. */
bool parse_duration(const char *text, uint64_t *out_ms);

/* yes, true, on, 1 / no, false, off, 0; case does not matter. */
bool parse_bool(const char *text, bool *out);

/* "TERM", "SIGTERM", "15", "RTMIN+3", "SIGRTMAX-1"; case does not matter; 1 to SIGNAL_MAX. */
bool parse_signal(const char *text, int *out);

/* Exit codes from 0 to 255, separated by commas, blanks or both; may be empty. */
bool parse_codes(const char *text, struct code_set *out);

bool code_set_has(const struct code_set *set, int code);

/*
 * Split like a POSIX shell (XCU 2.2: blanks, \, '…', "…"), expanding nothing; # and operators are
 * ordinary characters. *out is a NULL-terminated vector in one allocation, to be given to free().
 * False: a quote or backslash is left open, there is no word, or memory is short.
 */
bool parse_words(const char *text, char ***out);

/* "SIGTERM", "SIGRTMIN+3"; "signal 42" for what has no name. May be written to buf. */
const char *signal_name(int signum, char buf[16]);

/* "350 ms", "2 s", "1.500 s". */
const char *duration_text(uint64_t ms, char buf[32]);

#endif
