/* SPDX-License-Identifier: MIT */
/* What initd tells about itself: as the text of the control socket, as a table, as JSON. */
#include "status.h"

#include "json.h"
#include "parse.h"
#include "utf8.h"

#include <errno.h>
#include <string.h>

/* ---- the one list of fields ---- */

enum field_type {
	FIELD_TEXT,   /* "" is none */
	FIELD_NUMBER, /* 0 is a number */
	FIELD_AMOUNT, /* 0 is none */
	FIELD_BOOL,
};

/* What must be there for a field to say anything. */
enum field_condition {
	ALWAYS,
	IF_SERVER,
	IF_READY,
	IF_WATCHING,
	IF_CHANGED,
};

#define FIELD(type, name, condition)                                                               \
	{                                                                                          \
#name, type, condition, offsetof(struct status, name),                             \
		    sizeof((struct status *)0)->name                                               \
	}

static const struct field {
	char key[20];
	enum field_type type;
	enum field_condition condition;
	size_t offset, size;
} fields[] = {
	FIELD(FIELD_TEXT, version, ALWAYS),
	FIELD(FIELD_TEXT, state, ALWAYS),
	FIELD(FIELD_AMOUNT, initd_pid, ALWAYS),
	FIELD(FIELD_NUMBER, uptime_ms, ALWAYS),
	FIELD(FIELD_AMOUNT, pid, ALWAYS),
	FIELD(FIELD_TEXT, user, IF_SERVER),
	FIELD(FIELD_TEXT, command, ALWAYS),
	FIELD(FIELD_NUMBER, server_uptime_ms, IF_SERVER),
	FIELD(FIELD_NUMBER, starts, ALWAYS),
	FIELD(FIELD_NUMBER, restarts, ALWAYS),
	FIELD(FIELD_BOOL, ready, ALWAYS),
	FIELD(FIELD_NUMBER, ready_after_ms, IF_READY),
	FIELD(FIELD_NUMBER, ready_ms, IF_READY),
	FIELD(FIELD_TEXT, last_exit, ALWAYS),
	FIELD(FIELD_TEXT, host, ALWAYS),
	FIELD(FIELD_AMOUNT, port, ALWAYS),
	FIELD(FIELD_TEXT, target, ALWAYS),
	FIELD(FIELD_TEXT, expect, ALWAYS),
	FIELD(FIELD_TEXT, host_header, ALWAYS),
	FIELD(FIELD_NUMBER, timeout_ms, ALWAYS),
	FIELD(FIELD_NUMBER, interval_ms, ALWAYS),
	FIELD(FIELD_NUMBER, failures, ALWAYS),
	FIELD(FIELD_TEXT, watch_paths, ALWAYS),
	FIELD(FIELD_TEXT, watch_backend, ALWAYS),
	FIELD(FIELD_NUMBER, watch_directories, IF_WATCHING),
	FIELD(FIELD_NUMBER, watch_files, IF_WATCHING),
	FIELD(FIELD_NUMBER, watch_restarts, IF_WATCHING),
	FIELD(FIELD_TEXT, last_change, ALWAYS),
	FIELD(FIELD_NUMBER, last_change_ms, IF_CHANGED),
	FIELD(FIELD_TEXT, held, ALWAYS),
	FIELD(FIELD_BOOL, is_retry, ALWAYS),
	FIELD(FIELD_TEXT, successor, ALWAYS),
	FIELD(FIELD_TEXT, standby, ALWAYS),
	FIELD(FIELD_AMOUNT, standby_pid, ALWAYS),
	FIELD(FIELD_AMOUNT, standby_memory_kb, ALWAYS),
	FIELD(FIELD_AMOUNT, memory_kb, ALWAYS),
	FIELD(FIELD_AMOUNT, memory_peak_kb, ALWAYS),
};

enum {
	N_FIELDS = sizeof fields / sizeof fields[0],
};

static const char verdict_key[] = "verdict";

static const void *
value_of(const struct status *status, const struct field *field)
{
	return (const char *)status + field->offset;
}

static uint64_t
number_of(const struct status *status, const struct field *field)
{
	const void *value = value_of(status, field);

	return field->type == FIELD_BOOL ? *(const bool *)value : *(const uint64_t *)value;
}

static bool
is_none(const struct status *status, const struct field *field)
{
	switch (field->type) {
	case FIELD_TEXT:
		return *(const char *)value_of(status, field) == '\0';
	case FIELD_AMOUNT:
		return number_of(status, field) == 0;
	case FIELD_NUMBER:
	case FIELD_BOOL:
		break;
	}
	return false;
}

void
status_take_health(struct status *status, const struct health *health, uint64_t now_ms)
{
	const struct health_entry *entry;
	unsigned n = 0;

	status->ready = health->ready;
	if (health->ready) {
		status->ready_after_ms = health->ready_ms - health->started_ms;
		status->ready_ms = now_ms - health->ready_ms;
	}
	status->failures = health->failures;
	for (; (entry = health_recall(health, n)); n++) {
		status->verdicts[n] = *entry;
		status->verdicts[n].at_ms = now_ms - entry->at_ms;
	}
	status->n_verdicts = n;
}

/* ---- as text ---- */

/* A line of its own, whatever is in the value. */
static size_t
write_line(char *text, size_t n, const char *key, const char *value)
{
	int length = snprintf(text + n, STATUS_TEXT_SIZE - n, "%s=%s", key, value);

	utf8_make_printable(text + n);
	n += (size_t)length;
	text[n++] = '\n';
	text[n] = '\0';
	return n;
}

static size_t
write_verdict(char *text, size_t n, const struct health_entry *entry)
{
	const struct probe_verdict *verdict = &entry->verdict;
	char line[128];

	(void)snprintf(line, sizeof line, "%llu %u %u %u %d %u %u",
	    (unsigned long long)entry->at_ms, (unsigned)verdict->result, (unsigned)verdict->reason,
	    verdict->status, verdict->error, verdict->address, verdict->us);
	return write_line(text, n, verdict_key, line);
}

/* All texts at their longest, and around each field and verdict what a line may have of its own. */
enum {
	TEXT_SIZE_MAX = (int)sizeof(struct status) + N_FIELDS * 44 + HEALTH_HISTORY * 136,
};

_Static_assert((int)STATUS_TEXT_SIZE > (int)TEXT_SIZE_MAX, "a status may be longer than its text");

size_t
status_write(const struct status *status, char text[STATUS_TEXT_SIZE])
{
	size_t n = 0;

	text[0] = '\0';
	for (const struct field *field = fields; field < fields + N_FIELDS; field++) {
		char number[24];
		const char *value = value_of(status, field);

		if (is_none(status, field))
			continue;
		if (field->type != FIELD_TEXT) {
			(void)snprintf(number, sizeof number, "%llu",
			    (unsigned long long)number_of(status, field));
			value = number;
		}
		n = write_line(text, n, field->key, value);
	}
	for (size_t i = 0; i < status->n_verdicts; i++)
		n = write_verdict(text, n, &status->verdicts[i]);
	return n;
}

/* The next blank-separated number of a line. */
static bool
take_number(const char **text, uint64_t max, uint64_t *out)
{
	size_t length = strcspn(*text, " ");
	char number[24];

	if (length >= sizeof number)
		return false;
	memcpy(number, *text, length);
	number[length] = '\0';
	*text += length + ((*text)[length] == ' ');
	return parse_number(number, max, out);
}

/* What only a newer initd knows is passed over. */
static bool
read_verdict(struct status *status, const char *text)
{
	uint64_t at, result, reason, code, error, address, us;

	if (!take_number(&text, UINT64_MAX, &at) || !take_number(&text, INT32_MAX, &result) ||
	    !take_number(&text, INT32_MAX, &reason) || !take_number(&text, INT32_MAX, &code) ||
	    !take_number(&text, INT32_MAX, &error) || !take_number(&text, INT32_MAX, &address) ||
	    !take_number(&text, UINT32_MAX, &us) || *text != '\0')
		return false;
	if (result > PROBE_ERROR || reason >= PROBE_N_REASONS || address >= HTTP_ADDRESSES_MAX ||
	    status->n_verdicts == HEALTH_HISTORY)
		return true;
	status->verdicts[status->n_verdicts++] = (struct health_entry){
		.at_ms = at,
		.verdict = {
			.result = (enum probe_result)result,
			.reason = (enum probe_reason)reason,
			.status = (unsigned)code,
			.error = (int)error,
			.address = (unsigned)address,
			.us = (uint32_t)us,
		},
	};
	return true;
}

static bool
read_value(struct status *status, const struct field *field, const char *text)
{
	void *value = (char *)status + field->offset;
	uint64_t number;

	switch (field->type) {
	case FIELD_TEXT:
		if (strlen(text) >= field->size)
			return false;
		memcpy(value, text, strlen(text) + 1);
		return true;
	case FIELD_NUMBER:
	case FIELD_AMOUNT:
		return parse_number(text, UINT64_MAX, value);
	case FIELD_BOOL:
		if (!parse_number(text, 1, &number))
			return false;
		*(bool *)value = number == 1;
		return true;
	}
	return false;
}

static bool
key_is(const char *key, const char *line, size_t length)
{
	return strlen(key) == length && memcmp(key, line, length) == 0;
}

/* The field of this name; N_FIELDS if there is none. They come in their order, so it is looked for from `next` on. */
static size_t
find_field(size_t next, const char *line, size_t length)
{
	for (size_t i = 0; i < N_FIELDS; i++)
		if (key_is(fields[(next + i) % N_FIELDS].key, line, length))
			return (next + i) % N_FIELDS;
	return N_FIELDS;
}

static bool
read_line(struct status *status, const char *line, size_t length, size_t *next)
{
	const char *equals = memchr(line, '=', length);
	size_t key_length = equals ? (size_t)(equals - line) : 0;
	size_t value_length = equals ? length - key_length - 1 : 0;
	char value[HTTP_TARGET_TEXT_SIZE]; /* the longest there is */
	bool is_verdict;
	size_t found;

	if (!equals)
		return false;
	is_verdict = key_is(verdict_key, line, key_length);
	found = is_verdict ? 0 : find_field(*next, line, key_length);
	if (found == N_FIELDS)
		return true;
	if (value_length >= sizeof value)
		return false;
	memcpy(value, equals + 1, value_length);
	value[value_length] = '\0';
	if (is_verdict)
		return read_verdict(status, value);
	*next = found + 1;
	return read_value(status, &fields[found], value);
}

bool
status_read(struct status *status, const char *text)
{
	size_t next = 0;

	memset(status, 0, sizeof *status);
	while (*text) {
		size_t length = strcspn(text, "\n");

		if (!read_line(status, text, length, &next))
			return false;
		text += length + (text[length] == '\n');
	}
	return true;
}

/* ---- for people and programs ---- */

static const char *const result_names[] = {
	[PROBE_PENDING] = "pending",
	[PROBE_HEALTHY] = "healthy",
	[PROBE_UNHEALTHY] = "unhealthy",
	[PROBE_ERROR] = "error",
};

/* What was asked, as far as messages need it. False: it does not say. */
static bool
spec_of(const struct status *status, struct probe_spec *spec)
{
	*spec =
	    (struct probe_spec){ .expect_text = status->expect, .timeout_ms = status->timeout_ms };
	return http_target_parse(&spec->target, status->target, "127.0.0.1", 0);
}

static void
verdict_text(const struct status *status, const struct health_entry *entry, char *buf, size_t size)
{
	struct probe_spec spec;

	if (spec_of(status, &spec) && entry->verdict.address < spec.target.n_addresses)
		probe_verdict_text(&entry->verdict, &spec, buf, size);
	else
		(void)snprintf(buf, size, "%s", result_names[entry->verdict.result]);
}

/* "350 ms", "12 s", "2m05s", "3h12m", "5d03h": the two greatest units. */
static const char *
age_text(uint64_t ms, char buf[32])
{
	unsigned long long s = ms / 1000;

	if (ms < 1000)
		(void)snprintf(buf, 32, "%llu ms", (unsigned long long)ms);
	else if (s < 60)
		(void)snprintf(buf, 32, "%llu s", s);
	else if (s < 3600)
		(void)snprintf(buf, 32, "%llum%02llus", s / 60, s % 60);
	else if (s < 86400)
		(void)snprintf(buf, 32, "%lluh%02llum", s / 3600, s % 3600 / 60);
	else
		(void)snprintf(buf, 32, "%llud%02lluh", s / 86400, s % 86400 / 3600);
	return buf;
}

static void
print_state(const struct status *status, FILE *out)
{
	char age[32];

	(void)fprintf(out, "state      %s", status->state);
	if (status->ready)
		(void)fprintf(out, " (ready for %s, %llu.%02llu s after its start)",
		    age_text(status->ready_ms, age),
		    (unsigned long long)status->ready_after_ms / 1000,
		    (unsigned long long)status->ready_after_ms % 1000 / 10);
	(void)fputc('\n', out);
}

static void
print_server(const struct status *status, FILE *out)
{
	char age[32];

	if (status->pid == 0)
		(void)fprintf(out, "server     none: %s\n", status->command);
	else
		(void)fprintf(out, "server     pid %llu, up %s, as %s: %s\n",
		    (unsigned long long)status->pid, age_text(status->server_uptime_ms, age),
		    status->user, status->command);
}

static void
print_health(const struct status *status, FILE *out)
{
	static const char marks[] = { [PROBE_PENDING] = '?',
		[PROBE_HEALTHY] = '.',
		[PROBE_UNHEALTHY] = 'x',
		[PROBE_ERROR] = '?' };
	char text[640], age[32], strip[HEALTH_HISTORY + 1] = "";

	if (status->n_verdicts == 0) {
		(void)fputs("health     not asked\n", out);
		return;
	}
	/* The oldest first, as one reads. */
	for (size_t i = 0; i < status->n_verdicts; i++)
		strip[i] = marks[status->verdicts[status->n_verdicts - 1 - i].verdict.result];
	verdict_text(status, &status->verdicts[0], text, sizeof text);
	(void)fprintf(out, "health     %s (%s ago)\n           last %zu: %s\n", text,
	    age_text(status->verdicts[0].at_ms, age), (size_t)status->n_verdicts, strip);
}

static void
print_watch(const struct status *status, FILE *out)
{
	char age[32];

	if (*status->watch_backend == '\0')
		return;
	(void)fprintf(out, "watch      %s by %s: %llu director%s, %llu file%s, %llu restart%s",
	    status->watch_paths, status->watch_backend,
	    (unsigned long long)status->watch_directories,
	    status->watch_directories == 1 ? "y" : "ies", (unsigned long long)status->watch_files,
	    status->watch_files == 1 ? "" : "s", (unsigned long long)status->watch_restarts,
	    status->watch_restarts == 1 ? "" : "s");
	if (*status->last_change)
		(void)fprintf(out, "\n           %s %s ago", status->last_change,
		    age_text(status->last_change_ms, age));
	(void)fputc('\n', out);
}

static void
print_succession(const struct status *status, FILE *out)
{
	if (*status->held)
		(void)fprintf(out, "socket     %s is held over restarts\n", status->held);
	if (*status->successor)
		(void)fprintf(out, "successor  the last one failed: %s\n", status->successor);
	if (*status->standby)
		(void)fprintf(out, "standby    %s, pid %llu, %llu MB\n", status->standby,
		    (unsigned long long)status->standby_pid,
		    (unsigned long long)status->standby_memory_kb / 1024);
}

static void
print_memory(const struct status *status, FILE *out)
{
	if (status->memory_kb == 0)
		(void)fputs("memory     -\n", out);
	else
		(void)fprintf(out, "memory     %llu.%llu MB, peak %llu.%llu MB\n",
		    (unsigned long long)status->memory_kb / 1024,
		    (unsigned long long)status->memory_kb % 1024 * 10 / 1024,
		    (unsigned long long)status->memory_peak_kb / 1024,
		    (unsigned long long)status->memory_peak_kb % 1024 * 10 / 1024);
}

void
status_print(const struct status *status, FILE *out)
{
	char age[32];

	print_state(status, out);
	print_server(status, out);
	(void)fprintf(out, "restarts   %llu in a row, %llu start%s in all\n",
	    (unsigned long long)status->restarts, (unsigned long long)status->starts,
	    status->starts == 1 ? "" : "s");
	(void)fprintf(out, "last exit  %s\n", *status->last_exit ? status->last_exit : "-");
	print_health(status, out);
	print_watch(status, out);
	print_succession(status, out);
	print_memory(status, out);
	(void)fprintf(out, "initd      %s, pid %llu, up %s\n", status->version,
	    (unsigned long long)status->initd_pid, age_text(status->uptime_ms, age));
}

static bool
means_nothing(const struct status *status, const struct field *field)
{
	return is_none(status, field) || (field->condition == IF_SERVER && status->pid == 0) ||
	       (field->condition == IF_READY && !status->ready) ||
	       (field->condition == IF_WATCHING && *status->watch_backend == '\0') ||
	       (field->condition == IF_CHANGED && *status->last_change == '\0');
}

static void
print_value(const struct status *status, const struct field *field, FILE *out)
{
	char quoted[HTTP_TARGET_TEXT_SIZE * 6 + 3];

	if (means_nothing(status, field)) {
		(void)fputs("null", out);
	} else if (field->type == FIELD_TEXT) {
		(void)json_string(quoted, sizeof quoted, value_of(status, field));
		(void)fputs(quoted, out);
	} else if (field->type == FIELD_BOOL) {
		(void)fputs(number_of(status, field) ? "true" : "false", out);
	} else {
		(void)fprintf(out, "%llu", (unsigned long long)number_of(status, field));
	}
}

void
status_print_json(const struct status *status, FILE *out)
{
	char text[640], quoted[1400];

	(void)fputs("{\n  \"client_version\": \"" INITD_VERSION "\"", out);
	for (const struct field *field = fields; field < fields + N_FIELDS; field++) {
		(void)fprintf(out, ",\n  \"%s\": ", field->key);
		print_value(status, field, out);
	}
	(void)fputs(",\n  \"verdicts\": [", out);
	for (size_t i = 0; i < status->n_verdicts; i++) {
		const struct health_entry *entry = &status->verdicts[i];

		verdict_text(status, entry, text, sizeof text);
		(void)json_string(quoted, sizeof quoted, text);
		(void)fprintf(out, "%s\n    {\"ago_ms\": %llu, \"result\": \"%s\", \"text\": %s}",
		    i ? "," : "", (unsigned long long)entry->at_ms,
		    result_names[entry->verdict.result], quoted);
	}
	(void)fprintf(out, "%s]\n}\n", status->n_verdicts ? "\n  " : "");
}
