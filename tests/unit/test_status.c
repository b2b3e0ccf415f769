/* SPDX-License-Identifier: MIT */
/* What initd tells about itself, there and back, and shown. */
#include "status.h"

#include "unit.h"

#include <ctype.h>
#include <errno.h>

/* ---- the fields of a struct status ---- */

#define TEXT(name)                                                                                 \
	{                                                                                          \
#name, offsetof(struct status, name), sizeof(((struct status *)0)->name)           \
	}
#define NUMBER(name)                                                                               \
	{                                                                                          \
#name, offsetof(struct status, name), sizeof(uint64_t)                             \
	}

struct field {
	const char *name;
	size_t offset, size;
};

static const struct field texts[] = { TEXT(version), TEXT(state), TEXT(user), TEXT(command),
	TEXT(last_exit), TEXT(target), TEXT(expect), TEXT(host_header) };

static const struct field numbers[] = { NUMBER(initd_pid), NUMBER(uptime_ms), NUMBER(pid),
	NUMBER(server_uptime_ms), NUMBER(starts), NUMBER(restarts), NUMBER(ready_after_ms),
	NUMBER(ready_ms), NUMBER(timeout_ms), NUMBER(interval_ms), NUMBER(failures),
	NUMBER(memory_kb), NUMBER(memory_peak_kb) };

static char *
text_of(const struct status *status, const struct field *field)
{
	return (char *)status + field->offset;
}

static uint64_t
number_of(const struct status *status, const struct field *field)
{
	uint64_t n;

	memcpy(&n, (const char *)status + field->offset, sizeof n);
	return n;
}

static void
set_number(struct status *status, const struct field *field, uint64_t n)
{
	memcpy((char *)status + field->offset, &n, sizeof n);
}

static void
expect_same_verdict(const struct health_entry *actual, const struct health_entry *expected)
{
	expect_equal("verdict", actual->at_ms, expected->at_ms);
	expect_equal("verdict", actual->verdict.result, expected->verdict.result);
	expect_equal("verdict", actual->verdict.reason, expected->verdict.reason);
	expect_equal("verdict", actual->verdict.status, expected->verdict.status);
	expect_equal("verdict", actual->verdict.error, expected->verdict.error);
	expect_equal("verdict", actual->verdict.address, expected->verdict.address);
	expect_equal("verdict", actual->verdict.us, expected->verdict.us);
}

static void
expect_same_numbers(const struct status *actual, const struct status *expected)
{
	for (size_t i = 0; i < COUNT(numbers); i++)
		expect_equal(numbers[i].name, number_of(actual, &numbers[i]),
		    number_of(expected, &numbers[i]));
	expect_equal("ready", actual->ready, expected->ready);
	expect_equal("n_verdicts", actual->n_verdicts, expected->n_verdicts);
	for (uint64_t i = 0; i < expected->n_verdicts; i++)
		expect_same_verdict(&actual->verdicts[i], &expected->verdicts[i]);
}

static void
expect_same(const struct status *actual, const struct status *expected)
{
	for (size_t i = 0; i < COUNT(texts); i++)
		expect_text(
		    texts[i].name, text_of(actual, &texts[i]), text_of(expected, &texts[i]));
	expect_same_numbers(actual, expected);
}

/* Write it, look at the lines, read it. */
static void
pass_on(const struct status *status, struct status *out)
{
	char *text = malloc(STATUS_TEXT_SIZE);
	size_t n;

	assert_non_null(text);
	n = status_write(status, text);
	assert_true(n < STATUS_TEXT_SIZE);
	assert_int_equal(strlen(text), n);
	memset(out, 0xa5, sizeof *out);
	if (!status_read(out, text))
		fail_msg("not read again:\n%s", text);
	free(text);
}

static void
expect_it_comes_back(const struct status *status)
{
	struct status out;

	pass_on(status, &out);
	expect_same(&out, status);
}

/* ---- there and back ---- */

/* A server that is well, asked twice. */
static const struct status well = {
	.version = "0.1.0",
	.state = "ready",
	.initd_pid = 1,
	.uptime_ms = 90061001,
	.pid = 7,
	.user = "app (999:999)",
	.command = "python -m agent.server --name 'a b'",
	.server_uptime_ms = 90060000,
	.starts = 3,
	.restarts = 2,
	.ready = true,
	.ready_after_ms = 840,
	.ready_ms = 90059160,
	.last_exit = "exit code 3 after 0.123 s",
	.target = "http://localhost:8000/health",
	.expect = "200-299",
	.host_header = "agent.example:8000",
	.timeout_ms = 2000,
	.interval_ms = 10000,
	.failures = 1,
	.n_verdicts = 2,
	.verdicts = {
		{ { .result = PROBE_UNHEALTHY, .reason = PROBE_ANSWERED, .status = 503, .us = 2104 }, 12 },
		{ { .result = PROBE_HEALTHY, .reason = PROBE_ANSWERED, .status = 200, .us = 1000 }, 10012 },
	},
};

/* All of a text's room with this character. */
static void
fill_texts(struct status *status, char with)
{
	for (size_t i = 0; i < COUNT(texts); i++) {
		memset(text_of(status, &texts[i]), with, texts[i].size - 1);
		text_of(status, &texts[i])[texts[i].size - 1] = '\0';
	}
}

/* As long as it gets. */
static struct status
longest(char with)
{
	struct status status = { .ready = true, .n_verdicts = HEALTH_HISTORY };

	fill_texts(&status, with);
	for (size_t i = 0; i < COUNT(numbers); i++)
		set_number(&status, &numbers[i], UINT64_MAX);
	for (size_t i = 0; i < HEALTH_HISTORY; i++)
		status.verdicts[i] = (struct health_entry){ .at_ms = UINT64_MAX,
			.verdict = { .result = PROBE_ERROR,
			    .reason = PROBE_N_REASONS - 1,
			    .status = 599,
			    .error = 133,
			    .address = 1,
			    .us = UINT32_MAX } };
	return status;
}

static void
what_is_written_is_read_again(void **state)
{
	const struct status nothing = { .ready = false }, everything = longest('x');

	(void)state;
	expect_it_comes_back(&nothing);
	expect_it_comes_back(&well);
	expect_it_comes_back(&everything);
}

static void
each_field_comes_back_alone(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct status status = { .ready = false };

		(void)strcpy(text_of(&status, &texts[i]), "text");
		expect_it_comes_back(&status);
	}
	for (size_t i = 0; i < COUNT(numbers); i++) {
		struct status status = { .ready = false };

		set_number(&status, &numbers[i], 42);
		expect_it_comes_back(&status);
	}
	for (uint64_t n = 0; n <= HEALTH_HISTORY; n++) {
		struct status status = longest('x');

		status.n_verdicts = n;
		expect_it_comes_back(&status);
	}
}

static void
a_text_comes_back_with_all_that_can_be_shown(void **state)
{
	static const char *const rows[] = { "=", "a=b", "==", "pid=7", " ", " a ", "a  b", "\\",
		"\\n", "%s%n", "\"'", "a,b;c", "verdict=1", "gr\xc3\xbc\xc3\x9f",
		"\xf0\x9f\x90\x8d" };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct status status = well;

		for (size_t t = 0; t < COUNT(texts); t++)
			(void)strcpy(text_of(&status, &texts[t]), rows[i]);
		expect_it_comes_back(&status);
	}
}

/* A server's command line can hold anything. */
static void
a_text_with_control_characters_forges_no_line(void **state)
{
	static const char *const rows[] = { "\n", "a\n", "\na", "a\n\nb", "a\npid=666", "\r\npid=1",
		"a\nverdict=1", "a\nbroken", "a\tb", "\x01\x1b[0m\x7f", "\xff\xfe", "\xc3" };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		for (size_t t = 0; t < COUNT(texts); t++) {
			struct status status = well, out;

			(void)strcpy(text_of(&status, &texts[t]), rows[i]);
			pass_on(&status, &out);
			expect_same_numbers(&out, &status);
			for (size_t other = 0; other < COUNT(texts); other++)
				if (other != t)
					expect_text(rows[i], text_of(&out, &texts[other]),
					    text_of(&status, &texts[other]));
			expect_text(rows[i], strpbrk(text_of(&out, &texts[t]), "\r\n"), NULL);
		}
}

static void
the_longest_text_fits_whatever_it_consists_of(void **state)
{
	(void)state;
	for (int c = 1; c <= 255; c++) {
		const struct status status = longest((char)c);
		struct status out;

		pass_on(&status, &out);
		expect_same_numbers(&out, &status);
	}
}

/* The same numbers in each run. */
static uint64_t
any(uint64_t limit)
{
	static uint64_t seed = 1;

	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (seed >> 16) % limit;
}

static struct status
any_status(void)
{
	struct status status = { .ready = any(2), .n_verdicts = any(HEALTH_HISTORY + 1) };

	for (size_t i = 0; i < COUNT(texts); i++)
		if (any(4) > 0)
			for (uint64_t n = any(texts[i].size), c = 0; c < n; c++)
				text_of(&status, &texts[i])[c] = (char)(' ' + any('~' - ' ' + 1));
	for (size_t i = 0; i < COUNT(numbers); i++)
		if (any(4) > 0)
			set_number(&status, &numbers[i], any(UINT64_C(1) << any(48)));
	for (uint64_t i = 0; i < status.n_verdicts; i++)
		status.verdicts[i] = (struct health_entry){ .at_ms = any(UINT64_C(1) << 40),
			.verdict = { .result = (enum probe_result)(PROBE_HEALTHY + any(3)),
			    .reason = (enum probe_reason)any(PROBE_N_REASONS),
			    .status = (unsigned)any(600),
			    .error = (int)any(134),
			    .address = (unsigned)any(HTTP_ADDRESSES_MAX),
			    .us = (uint32_t)any(UINT64_C(1) << 32) } };
	return status;
}

static void
any_status_comes_back(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		const struct status status = any_status();

		expect_it_comes_back(&status);
	}
}

/* ---- what PID 1 knows of health ---- */

static void
health_becomes_durations_up_to_now(void **state)
{
	static const struct health_policy policy = { .start_interval_ms = 100, .retries = 3 };
	const struct probe_verdict good = { .result = PROBE_HEALTHY, .status = 200, .us = 1000 };
	const struct probe_verdict silent = {
		.result = PROBE_UNHEALTHY, .reason = PROBE_CANNOT_CONNECT, .error = ECONNREFUSED
	};
	struct status status = { .pid = 7 };
	struct health health;

	(void)state;
	health_init(&health, &policy);
	health_begin(&health, 1000);
	status_take_health(&status, &health, 1000);
	assert_false(status.ready);
	assert_int_equal(status.n_verdicts, 0);

	(void)health_take(&health, &silent, 1100);
	(void)health_take(&health, &good, 1840);
	(void)health_take(&health, &silent, 3000);
	status_take_health(&status, &health, 3500);
	assert_true(status.ready);
	assert_int_equal(status.ready_after_ms, 840);
	assert_int_equal(status.ready_ms, 1660);
	assert_int_equal(status.failures, 1);
	assert_int_equal(status.n_verdicts, 3);
	expect_same_verdict(&status.verdicts[0], &(struct health_entry){ silent, 500 });
	expect_same_verdict(&status.verdicts[1], &(struct health_entry){ good, 1660 });
	expect_same_verdict(&status.verdicts[2], &(struct health_entry){ silent, 2400 });
	assert_int_equal(status.pid, 7);
	expect_it_comes_back(&status);

	for (unsigned i = 0; i < 2 * HEALTH_HISTORY; i++)
		(void)health_take(&health, &good, 4000 + i);
	status_take_health(&status, &health, 5000);
	assert_int_equal(status.n_verdicts, HEALTH_HISTORY);
	assert_int_equal(status.verdicts[HEALTH_HISTORY - 1].at_ms, 984);
	health_begin(&health, 6000);
	status = (struct status){ .pid = 8 };
	status_take_health(&status, &health, 6000);
	assert_false(status.ready);
	assert_int_equal(status.ready_after_ms, 0);
	assert_int_equal(status.ready_ms, 0);
	assert_int_equal(status.n_verdicts, HEALTH_HISTORY);
}

/* ---- what is read ---- */

static void
broken_lines_are_refused_and_unknown_keys_passed_over(void **state)
{
	static const struct {
		const char *text;
		bool expected;
	} rows[] = {
		{ "", true },
		{ "pid=7\n", true },
		{ "pid=7\nstate=ready\n", true },
		{ "state=ready\npid=7\n", true },
		{ "colour=red\npid=7\n", true },
		{ "pid=7\ncolour=\n", true },
		{ "pid=7\npid_of_what=not a number\n", true },
		{ "pid=7\npi=x\n", true },
		{ "state=\npid=7\n", true },
		{ "state=a=b=c\npid=7\n", true },
		{ "pid=18446744073709551615\n", true },
		{ "pid", false },
		{ "pid\n", false },
		{ "pid=7\nstate\n", false },
		{ "pid=7\nnothing to read\n", false },
		{ "pid=\n", false },
		{ "pid=x\n", false },
		{ "pid=7x\n", false },
		{ "pid= 7\n", false },
		{ "pid=-7\n", false },
		{ "pid=+7\n", false },
		{ "pid=0x7\n", false },
		{ "pid=18446744073709551616\n", false },
		{ "uptime_ms=1.5\n", false },
		{ "state=0123456789abcdef\n", false },
		{ "version=0123456789abcdef\n", false },
		{ "verdict=\n", false },
		{ "verdict=well\n", false },
		{ "verdict=-1\n", false },
		{ "verdict=1 2\n", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct status status;

		expect_equal(rows[i].text, status_read(&status, rows[i].text), rows[i].expected);
		if (rows[i].expected && strstr(rows[i].text, "pid=7"))
			expect_equal(rows[i].text, status.pid, 7);
	}
}

/* A newer initd may have more to tell. */
static void
an_unknown_key_may_have_a_value_of_any_length(void **state)
{
	char text[STATUS_TEXT_SIZE];

	(void)state;
	for (int length = 1; length < STATUS_TEXT_SIZE - 32; length *= 2) {
		struct status status;
		char row[32];

		(void)snprintf(row, sizeof row, "%d characters", length);
		(void)snprintf(text, sizeof text, "colour=%0*d\npid=7\n", length, 0);
		expect_equal(row, status_read(&status, text), true);
		expect_equal(row, status.pid, 7);
	}
}

/* A newer initd may remember more. */
static void
no_number_of_verdicts_does_harm(void **state)
{
	char text[STATUS_TEXT_SIZE], many[4 * STATUS_TEXT_SIZE] = "";
	struct status status = { .n_verdicts = 1 };

	(void)state;
	status.verdicts[0] = well.verdicts[0];
	(void)status_write(&status, text);
	while (strlen(many) + strlen(text) < sizeof many)
		(void)strcat(many, text);
	if (status_read(&status, many))
		assert_in_range(status.n_verdicts, 1, HEALTH_HISTORY);
}

/* ---- what is shown ---- */

/* What one of the two ways to print it gives. */
static char *
printed(const struct status *status, void (*print)(const struct status *, FILE *))
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	assert_non_null(out);
	print(status, out);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(strlen(text), n);
	return text;
}

static const char *json_value(const char *c);

/* Behind a string; NULL: it is none. */
static const char *
json_string_end(const char *c)
{
	if (*c++ != '"')
		return NULL;
	for (; *c != '"'; c++) {
		if ((unsigned char)*c < ' ')
			return NULL;
		if (*c != '\\')
			continue;
		c++;
		if (*c == 'u' && strspn(c + 1, "0123456789abcdefABCDEF") >= 4)
			c += 4;
		else if (*c == '\0' || !strchr("\"\\/bfnrt", *c))
			return NULL;
	}
	return c + 1;
}

static const char *
json_blanks(const char *c)
{
	return c ? c + strspn(c, " \t\r\n") : NULL;
}

/* Behind an object or an array. */
static const char *
json_members(const char *c, char close)
{
	c = json_blanks(c + 1);
	if (*c == close)
		return c + 1;
	for (;;) {
		if (close == '}') {
			c = json_blanks(json_string_end(c));
			if (!c || *c++ != ':')
				return NULL;
		}
		c = json_blanks(json_value(json_blanks(c)));
		if (!c || *c == close)
			return c ? c + 1 : NULL;
		if (*c++ != ',')
			return NULL;
		c = json_blanks(c);
	}
}

static const char *
json_number(const char *c)
{
	size_t digits;

	c += *c == '-';
	digits = strspn(c, "0123456789");
	if (digits == 0 || (*c == '0' && digits > 1))
		return NULL;
	c += digits;
	if (*c != '.')
		return c;
	digits = strspn(c + 1, "0123456789");
	return digits > 0 ? c + 1 + digits : NULL;
}

static const char *
json_value(const char *c)
{
	static const char *const words[] = { "null", "true", "false" };

	if (*c == '{' || *c == '[')
		return json_members(c, *c == '{' ? '}' : ']');
	if (*c == '"')
		return json_string_end(c);
	for (size_t i = 0; i < COUNT(words); i++)
		if (strncmp(c, words[i], strlen(words[i])) == 0)
			return c + strlen(words[i]);
	return json_number(c);
}

/* As JSON without blanks between the tokens. */
static char *
printed_json(const struct status *status)
{
	char *text = printed(status, status_print_json), *to = text;
	const char *end = *text == '{' ? json_blanks(json_value(text)) : NULL;

	if (!end || *end != '\0')
		fail_msg("not JSON: %s", text);
	for (const char *c = text; *c;) {
		const char *behind = *c == '"' ? json_string_end(c) : c + 1;

		if (!isspace((unsigned char)*c)) {
			memmove(to, c, (size_t)(behind - c));
			to += behind - c;
		}
		c = behind;
	}
	*to = '\0';
	return text;
}

static void
expect_piece(const char *text, const char *piece)
{
	if (!strstr(text, piece))
		fail_msg("%s\nis not in\n%s", piece, text);
}

static void
json_has_each_field_under_its_own_name(void **state)
{
	static const char *const pieces[] = { "\"version\":\"0.1.0\"", "\"state\":\"ready\"",
		"\"initd_pid\":1,", "\"uptime_ms\":90061001,", "\"pid\":7,",
		"\"user\":\"app (999:999)\"", "\"command\":\"python -m agent.server --name 'a b'\"",
		"\"server_uptime_ms\":90060000,", "\"starts\":3,", "\"restarts\":2,",
		"\"ready\":true", "\"ready_after_ms\":840,", "\"ready_ms\":90059160,",
		"\"last_exit\":\"exit code 3 after 0.123 s\"",
		"\"target\":\"http://localhost:8000/health\"", "\"expect\":\"200-299\"",
		"\"host_header\":\"agent.example:8000\"", "\"timeout_ms\":2000,",
		"\"interval_ms\":10000,", "\"failures\":1,", "\"verdicts\":[{", "\"ago_ms\":12,",
		"\"ago_ms\":10012,", "\"text\":\"503 from http://127.0.0.1:8000/health in 2.1 ms",
		"\"text\":\"200 from http://127.0.0.1:8000/health in 1.0 ms\"",
		"\"memory_kb\":40960", "\"memory_peak_kb\":50000",
		"\"client_version\":\"" INITD_VERSION "\"" };
	struct status status = well;
	char *json;

	(void)state;
	status.memory_kb = 40960;
	status.memory_peak_kb = 50000;
	json = printed_json(&status);
	for (size_t i = 0; i < COUNT(pieces); i++)
		expect_piece(json, pieces[i]);
	free(json);
}

static void
json_shows_null_for_what_is_not_known(void **state)
{
	const struct status nothing = { .ready = false };
	char *json = printed_json(&nothing), piece[64];

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		(void)snprintf(piece, sizeof piece, "\"%s\":null", texts[i].name);
		expect_piece(json, piece);
	}
	for (size_t i = 0; i < COUNT(numbers); i++) {
		(void)snprintf(piece, sizeof piece, "\"%s\":", numbers[i].name);
		expect_piece(json, piece);
	}
	expect_piece(json, "\"pid\":null");
	expect_piece(json, "\"memory_kb\":null");
	expect_piece(json, "\"verdicts\":[]");
	free(json);
}

static void
json_is_well_formed_whatever_the_texts_are(void **state)
{
	static const struct {
		const char *text, *piece;
	} rows[] = {
		{ "say \"hi\"", "\"command\":\"say \\\"hi\\\"\"" },
		{ "C:\\", "\"command\":\"C:\\\\\"" },
		{ "\",\"pid\":666,\"x\":\"",
		    "\"command\":\"\\\",\\\"pid\\\":666,\\\"x\\\":\\\"\"" },
		{ "gr\xc3\xbc\xc3\x9f", "\"command\":\"gr\xc3\xbc\xc3\x9f\"" },
		{ "a\nb\x1b", "\"command\":\"" },
		{ "\xff", "\"command\":\"" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct status status = well;
		char *json;

		for (size_t t = 0; t < COUNT(texts); t++)
			(void)strcpy(text_of(&status, &texts[t]),
			    strlen(rows[i].text) < texts[t].size ? rows[i].text : "\"\\");
		json = printed_json(&status);
		expect_piece(json, rows[i].piece);
		free(json);
	}
	for (int c = 1; c <= 255; c++) {
		const struct status status = longest((char)c);

		free(printed_json(&status));
	}
	for (unsigned i = 0; i < 500; i++) {
		const struct status status = any_status();

		free(printed_json(&status));
	}
}

/* The line that begins with this word. */
static const char *
row_of(const char *table, const char *word)
{
	for (const char *line = table; *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (strncmp(line, word, strlen(word)) == 0 && line[strlen(word)] == ' ')
			return line;
	fail_msg("no row begins with %s:\n%s", word, table);
	return NULL;
}

static void
the_table_has_a_row_for_each_thing_in_order_and_aligned(void **state)
{
	static const char *const words[] = { "state", "server", "restarts", "last exit", "health",
		"memory", "initd" };
	struct status status = well;
	const char *before = NULL;
	size_t column;
	char *table;

	(void)state;
	status.memory_kb = 40960;
	status.memory_peak_kb = 50000;
	table = printed(&status, status_print);
	column = (size_t)(strstr(table, "ready") - row_of(table, "state"));
	for (size_t i = 0; i < COUNT(words); i++) {
		const char *row = row_of(table, words[i]);

		expect_equal(words[i], row > before || !before, true);
		expect_equal(words[i], strcspn(row, "\n") > column, true);
		expect_equal(words[i], row[column - 1] == ' ' && row[column] != ' ', true);
		before = row;
	}
	expect_piece(row_of(table, "server"), "python -m agent.server");
	expect_piece(row_of(table, "last exit"), "exit code 3 after 0.123 s");
	expect_piece(table, "503 from http://127.0.0.1:8000/health in 2.1 ms");
	free(table);
}

static void
the_table_can_be_printed_of_anything(void **state)
{
	const struct status nothing = { .ready = false };

	(void)state;
	free(printed(&nothing, status_print));
	for (int c = 1; c <= 255; c++) {
		const struct status status = longest((char)c);

		free(printed(&status, status_print));
	}
	for (unsigned i = 0; i < 500; i++) {
		const struct status status = any_status();

		free(printed(&status, status_print));
	}
}

/* A command line with an escape sequence in it must not reach a terminal as such. */
static void
what_was_passed_on_is_printable(void **state)
{
	struct status status = well, out;
	char *table;

	(void)state;
	for (size_t t = 0; t < COUNT(texts); t++)
		(void)strcpy(text_of(&status, &texts[t]), "a\x1b[2J\r\nb\x7f");
	pass_on(&status, &out);
	table = printed(&out, status_print);
	for (const char *c = table; *c; c++)
		expect_equal(table, *c == '\n' || ((unsigned char)*c >= ' ' && *c != 0x7f), true);
	free(table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(each_field_comes_back_alone),
		cmocka_unit_test(a_text_comes_back_with_all_that_can_be_shown),
		cmocka_unit_test(a_text_with_control_characters_forges_no_line),
		cmocka_unit_test(the_longest_text_fits_whatever_it_consists_of),
		cmocka_unit_test(any_status_comes_back),
		cmocka_unit_test(health_becomes_durations_up_to_now),
		cmocka_unit_test(broken_lines_are_refused_and_unknown_keys_passed_over),
		cmocka_unit_test(an_unknown_key_may_have_a_value_of_any_length),
		cmocka_unit_test(no_number_of_verdicts_does_harm),
		cmocka_unit_test(json_has_each_field_under_its_own_name),
		cmocka_unit_test(json_shows_null_for_what_is_not_known),
		cmocka_unit_test(json_is_well_formed_whatever_the_texts_are),
		cmocka_unit_test(the_table_has_a_row_for_each_thing_in_order_and_aligned),
		cmocka_unit_test(the_table_can_be_printed_of_anything),
		cmocka_unit_test(what_was_passed_on_is_printable),
	};

	return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
