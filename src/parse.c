/* SPDX-License-Identifier: MIT */
/* Text to number, duration, truth, signal, words. */
#include "parse.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The names are in the rows: a pointer each would have to be relocated at every start. */
static const struct {
	char name[10];
	unsigned char signum;
} signals[] = {
	{ "SIGHUP", SIGHUP },
	{ "SIGINT", SIGINT },
	{ "SIGQUIT", SIGQUIT },
	{ "SIGILL", SIGILL },
	{ "SIGTRAP", SIGTRAP },
	{ "SIGABRT", SIGABRT },
	{ "SIGBUS", SIGBUS },
	{ "SIGFPE", SIGFPE },
	{ "SIGKILL", SIGKILL },
	{ "SIGUSR1", SIGUSR1 },
	{ "SIGSEGV", SIGSEGV },
	{ "SIGUSR2", SIGUSR2 },
	{ "SIGPIPE", SIGPIPE },
	{ "SIGALRM", SIGALRM },
	{ "SIGTERM", SIGTERM },
	{ "SIGSTKFLT", SIGSTKFLT },
	{ "SIGCHLD", SIGCHLD },
	{ "SIGCONT", SIGCONT },
	{ "SIGSTOP", SIGSTOP },
	{ "SIGTSTP", SIGTSTP },
	{ "SIGTTIN", SIGTTIN },
	{ "SIGTTOU", SIGTTOU },
	{ "SIGURG", SIGURG },
	{ "SIGXCPU", SIGXCPU },
	{ "SIGXFSZ", SIGXFSZ },
	{ "SIGVTALRM", SIGVTALRM },
	{ "SIGPROF", SIGPROF },
	{ "SIGWINCH", SIGWINCH },
	{ "SIGIO", SIGIO },
	{ "SIGPWR", SIGPWR },
	{ "SIGSYS", SIGSYS },
};

enum {
	N_SIGNALS = sizeof signals / sizeof signals[0],
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Read the digits at *text and move *text behind them. */
static bool
take_number(const char **text, uint64_t max, uint64_t *out)
{
	const char *s = *text;
	uint64_t n = 0;

	if (!is_digit(*s))
		return false;
	for (; is_digit(*s); s++) {
		unsigned digit = (unsigned)(*s - '0');

		if (digit > max || n > (max - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*text = s;
	*out = n;
	return true;
}

bool
parse_number(const char *text, uint64_t max, uint64_t *out)
{
	uint64_t n;

	if (!take_number(&text, max, &n) || *text != '\0')
		return false;
	*out = n;
	return true;
}

/* Read a unit at *text and move *text behind it: its milliseconds, or 0 if it is none. */
static uint64_t
take_unit(const char **text)
{
	const char *s = *text;
	bool is_milli = s[0] == 'm' && s[1] == 's';

	*text += is_milli ? 2 : 1;
	if (is_milli)
		return 1;
	switch (*s) {
	case 's':
		return 1000;
	case 'm':
		return UINT64_C(60) * 1000;
	case 'h':
		return UINT64_C(60) * 60 * 1000;
	default:
		return 0;
	}
}

bool
parse_duration(const char *text, uint64_t *out_ms)
{
	const uint64_t year_ms = UINT64_C(365) * 24 * 60 * 60 * 1000;
	uint64_t total = 0, n, unit;

	if (text[0] == '0' && text[1] == '\0') {
		*out_ms = 0;
		return true;
	}
	do {
		if (!take_number(&text, year_ms, &n))
			return false;
		unit = take_unit(&text);
		if (unit == 0 || n > year_ms / unit)
			return false;
		total += n * unit;
		if (total > year_ms)
			return false;
	} while (*text);
	*out_ms = total;
	return true;
}

bool
parse_bool(const char *text, bool *out)
{
	static const struct {
		char text[6];
		bool value;
	} names[] = { { "yes", true }, { "no", false }, { "true", true }, { "false", false },
		{ "on", true }, { "off", false }, { "1", true }, { "0", false } };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcasecmp(text, names[i].text) == 0) {
			*out = names[i].value;
			return true;
		}
	return false;
}

static bool
parse_realtime_signal(const char *text, int *out)
{
	bool from_min = strncasecmp(text, "RTMIN", 5) == 0;
	uint64_t n = 0;
	int signum;

	if (!from_min && strncasecmp(text, "RTMAX", 5) != 0)
		return false;
	text += 5;
	if (*text && (*text++ != (from_min ? '+' : '-') || !parse_number(text, SIGNAL_MAX, &n)))
		return false;
	signum = from_min ? SIGNAL_RTMIN + (int)n : SIGNAL_MAX - (int)n;
	if (signum < SIGNAL_RTMIN || signum > SIGNAL_MAX)
		return false;
	*out = signum;
	return true;
}

bool
parse_signal(const char *text, int *out)
{
	uint64_t n;

	if (parse_number(text, SIGNAL_MAX, &n)) {
		if (n == 0)
			return false;
		*out = (int)n;
		return true;
	}
	if (strncasecmp(text, "SIG", 3) == 0)
		text += 3;
	for (size_t i = 0; i < N_SIGNALS; i++)
		if (strcasecmp(text, signals[i].name + strlen("SIG")) == 0) {
			*out = signals[i].signum;
			return true;
		}
	return parse_realtime_signal(text, out);
}

const char *
signal_name(int signum, char buf[16])
{
	for (size_t i = 0; i < N_SIGNALS; i++)
		if (signals[i].signum == signum)
			return signals[i].name;
	if (signum == SIGNAL_RTMIN)
		(void)snprintf(buf, 16, "SIGRTMIN");
	else if (signum > SIGNAL_RTMIN && signum <= SIGNAL_MAX)
		(void)snprintf(buf, 16, "SIGRTMIN+%d", signum - SIGNAL_RTMIN);
	else
		(void)snprintf(buf, 16, "signal %d", signum);
	return buf;
}

bool
parse_codes(const char *text, struct code_set *out)
{
	struct code_set set = { 0 };

	for (;;) {
		uint64_t code;

		while (is_blank(*text) || *text == ',')
			text++;
		if (*text == '\0')
			break;
		if (!take_number(&text, 255, &code))
			return false;
		if (*text && !is_blank(*text) && *text != ',')
			return false;
		set.bits[code / 64] |= UINT64_C(1) << (code % 64);
	}
	*out = set;
	return true;
}

bool
code_set_has(const struct code_set *set, int code)
{
	return code >= 0 && code <= 255 && (set->bits[code / 64] >> (code % 64) & 1) != 0;
}

/*
 * Copy the word at *text to *to, both moved on. In double quotes a backslash escapes only the four
 * characters that a shell would let it escape there.
 */
static bool
copy_word(const char **text, char **to)
{
	const char *s = *text;
	char *w = *to;
	char quote = 0;

	for (; *s && (quote || !is_blank(*s)); s++) {
		if (quote ? *s == quote : (*s == '\'' || *s == '"')) {
			if (quote)
				quote = 0;
			else
				quote = *s;
		} else if (*s == '\\' && quote != '\'') {
			if (s[1] == '\0')
				return false;
			if (s[1] == '\n') {
				s++; /* a line goes on: both are dropped */
				continue;
			}
			if (!quote || strchr("\\\"$`", s[1]))
				s++;
			*w++ = *s;
		} else {
			*w++ = *s;
		}
	}
	*w++ = '\0';
	*text = s;
	*to = w;
	return quote == 0;
}

bool
parse_words(const char *text, char ***out)
{
	size_t length = strlen(text), n = 0;
	size_t most = length / 2 + 2; /* a word and its blank, and the final NULL */
	char **words = malloc(most * sizeof *words + length + 1), *to;

	if (!words)
		return false;
	to = (char *)(words + most);
	for (;;) {
		while (is_blank(*text))
			text++;
		if (*text == '\0')
			break;
		words[n++] = to;
		if (!copy_word(&text, &to)) {
			n = 0;
			break;
		}
	}
	if (n == 0) {
		free(words);
		return false;
	}
	words[n] = NULL;
	*out = words;
	return true;
}

const char *
duration_text(uint64_t ms, char buf[32])
{
	if (ms < 1000)
		(void)snprintf(buf, 32, "%llu ms", (unsigned long long)ms);
	else if (ms % 1000 == 0)
		(void)snprintf(buf, 32, "%llu s", (unsigned long long)ms / 1000);
	else
		(void)snprintf(buf, 32, "%llu.%03llu s", (unsigned long long)ms / 1000,
		    (unsigned long long)ms % 1000);
	return buf;
}
