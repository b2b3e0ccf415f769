/* SPDX-License-Identifier: MIT */
/* One line = one write(2), never blocking. */
#include "log.h"

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

/* Both ends of what is logged to. */
struct sink {
	struct log log;
	int read_fd;
	char text[8192]; /* what was read last */
};

static void
open_pipe(struct sink *sink)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	sink->log = (struct log){ .level = LOG_DEBUG, .format = LOG_TEXT, .fd = fds[1] };
	sink->read_fd = fds[0];
}

static void
open_socket(struct sink *sink, int type)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds), 0);
	sink->log =
	    (struct log){ .level = LOG_DEBUG, .format = LOG_TEXT, .fd = fds[1], .is_socket = true };
	sink->read_fd = fds[0];
	assert_int_equal(fcntl(sink->read_fd, F_SETFL, O_NONBLOCK), 0);
}

static void
close_sink(struct sink *sink)
{
	assert_int_equal(close(sink->log.fd), 0);
	assert_int_equal(close(sink->read_fd), 0);
}

/* What came through, at most one write if it is a socket of datagrams; "" if nothing did. */
static const char *
take(struct sink *sink)
{
	ssize_t n = read(sink->read_fd, sink->text, sizeof sink->text - 1);

	sink->text[n > 0 ? n : 0] = '\0';
	return sink->text;
}

static void
drain(struct sink *sink)
{
	while (*take(sink))
		;
}

/* Digits of the time as 'd', so that the form can be compared. */
static void
mask_time(char *line)
{
	char *time = strstr(line, "\"time\":\"");

	if (!time)
		return;
	for (char *c = time + strlen("\"time\":\""); *c && *c != '"'; c++)
		if (*c >= '0' && *c <= '9')
			*c = 'd';
}

#define JSON(severity, message)                                                                    \
	"{\"severity\":\"" severity "\",\"time\":\"dddd-dd-ddTdd:dd:dd.dddZ\","                    \
	"\"logger\":\"initd\",\"message\":\"" message "\"}\n"

static void
a_line_says_who_how_bad_and_what(void **state)
{
	static const struct {
		enum log_level level;
		const char *message, *text, *json;
	} rows[] = {
		{ LOG_ERROR, "no such thing", "initd: error: no such thing\n",
		    JSON("ERROR", "no such thing") },
		{ LOG_WARN, "odd", "initd: warn: odd\n", JSON("WARNING", "odd") },
		{ LOG_INFO, "started pid 7", "initd: info: started pid 7\n",
		    JSON("INFO", "started pid 7") },
		{ LOG_DEBUG, "", "initd: debug: \n", JSON("DEBUG", "") },
		{ LOG_INFO, "100%s \\ \"x\"", "initd: info: 100%s \\ \"x\"\n",
		    JSON("INFO", "100%s \\\\ \\\"x\\\"") },
		{ LOG_INFO, "a\nb\tc\r\x1b[0m\x7f", "initd: info: a?b?c??[0m?\n",
		    JSON("INFO", "a\\u000ab\\u0009c\\u000d\\u001b[0m\\u007f") },
		{ LOG_INFO, "gr\xc3\xbc\xc3\x9f", "initd: info: gr\xc3\xbc\xc3\x9f\n",
		    JSON("INFO", "gr\xc3\xbc\xc3\x9f") },
		{ LOG_INFO, "bad \xff", "initd: info: bad ?\n", JSON("INFO", "bad \\ufffd") },
	};
	struct sink sink;

	(void)state;
	open_socket(&sink, SOCK_DGRAM);
	for (size_t i = 0; i < COUNT(rows); i++) {
		sink.log.format = LOG_TEXT;
		log_line(&sink.log, rows[i].level, "%s", rows[i].message);
		expect_text(rows[i].message, take(&sink), rows[i].text);
		expect_text(rows[i].message, take(&sink), "");
		sink.log.format = LOG_JSON;
		log_line(&sink.log, rows[i].level, "%s", rows[i].message);
		(void)take(&sink);
		mask_time(sink.text);
		expect_text(rows[i].message, sink.text, rows[i].json);
		expect_text(rows[i].message, take(&sink), "");
	}
	close_sink(&sink);
}

static void
the_time_is_now_in_utc(void **state)
{
	struct sink sink;
	struct tm tm = { 0 };
	time_t before = time(NULL), said;
	const char *text;

	(void)state;
	open_pipe(&sink);
	sink.log.format = LOG_JSON;
	log_line(&sink.log, LOG_INFO, "now");
	text = strstr(take(&sink), "\"time\":\"");
	assert_non_null(text);
	assert_non_null(strptime(text + strlen("\"time\":\""), "%Y-%m-%dT%H:%M:%S", &tm));
	said = timegm(&tm);
	assert_true(said >= before && said <= time(NULL));
	close_sink(&sink);
}

static void
only_what_is_bad_enough_is_said(void **state)
{
	struct sink sink;

	(void)state;
	open_pipe(&sink);
	for (enum log_level wanted = LOG_ERROR; wanted <= LOG_DEBUG; wanted++)
		for (enum log_level level = LOG_ERROR; level <= LOG_DEBUG; level++) {
			sink.log.level = wanted;
			log_line(&sink.log, level, "x");
			assert_int_equal(*take(&sink) != '\0', level <= wanted);
		}
	close_sink(&sink);
}

static void
a_long_message_is_cut_to_one_line_that_a_pipe_takes_whole(void **state)
{
	static const struct {
		char byte;
		enum log_format format;
		const char *start, *end;
	} rows[] = {
		{ 'x', LOG_TEXT, "initd: info: xxx", "xxx\n" },
		{ 'x', LOG_JSON, "{\"severity\":\"INFO\"", "xxx\"}\n" },
		{ '\n', LOG_TEXT, "initd: info: ???", "???\n" },
		{ '\n', LOG_JSON, "{\"severity\":\"INFO\"", "\\u000a\"}\n" },
		{ '\xff', LOG_JSON, "{\"severity\":\"INFO\"", "\\ufffd\"}\n" },
		{ '"', LOG_JSON, "{\"severity\":\"INFO\"", "\\\"\\\"\"}\n" },
	};
	char message[5000];
	struct sink sink;

	(void)state;
	open_pipe(&sink);
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t length;

		memset(message, rows[i].byte, sizeof message - 1);
		message[sizeof message - 1] = '\0';
		sink.log.format = rows[i].format;
		log_line(&sink.log, LOG_INFO, "%s", message);
		length = strlen(take(&sink));
		assert_in_range(length, 500, PIPE_BUF);
		assert_ptr_equal(strchr(sink.text, '\n'), sink.text + length - 1);
		assert_memory_equal(sink.text, rows[i].start, strlen(rows[i].start));
		expect_text(rows[i].end, sink.text + length - strlen(rows[i].end), rows[i].end);
	}
	close_sink(&sink);
}

static void
errno_is_kept_whether_the_line_gets_through_or_not(void **state)
{
	struct sink sink;
	struct log nowhere = { .level = LOG_DEBUG, .format = LOG_JSON, .fd = -1 };

	(void)state;
	open_pipe(&sink);
	errno = EDOM;
	log_line(&sink.log, LOG_INFO, "said");
	assert_int_equal(errno, EDOM);
	sink.log.level = LOG_ERROR;
	log_line(&sink.log, LOG_INFO, "not wanted");
	assert_int_equal(errno, EDOM);
	log_line(&nowhere, LOG_INFO, "lost");
	assert_int_equal(errno, EDOM);
	assert_int_equal(nowhere.lost, 1);
	close_sink(&sink);
}

/* ---- nobody reads ---- */

/* Until not even a byte fits. */
static void
fill(int fd)
{
	char bytes[4096];
	int flags = fcntl(fd, F_GETFL);

	memset(bytes, 'x', sizeof bytes);
	assert_int_equal(fcntl(fd, F_SETFL, flags | O_NONBLOCK), 0);
	for (size_t size = sizeof bytes; size > 0; size /= 2)
		while (write(fd, bytes, size) > 0)
			;
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(fcntl(fd, F_SETFL, flags), 0);
}

static void
make_blocking(int fd)
{
	assert_int_equal(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK), 0);
}

static void
open_full_nonblocking_pipe(struct sink *sink)
{
	open_pipe(sink);
	fill(sink->log.fd);
}

/* Standard error as we got it: O_NONBLOCK is not ours to set. */
static void
open_full_blocking_pipe(struct sink *sink)
{
	open_pipe(sink);
	make_blocking(sink->log.fd);
	sink->log.may_block = true;
	fill(sink->log.fd);
}

static void
open_full_stream(struct sink *sink)
{
	open_socket(sink, SOCK_STREAM);
	fill(sink->log.fd);
}

static void
open_full_datagrams(struct sink *sink)
{
	open_socket(sink, SOCK_DGRAM);
	fill(sink->log.fd);
}

static void
lines_that_nobody_takes_are_counted_and_never_block(void **state)
{
	static const struct {
		const char *name;
		void (*open)(struct sink *sink);
	} rows[] = {
		{ "pipe", open_full_nonblocking_pipe },
		{ "blocking pipe", open_full_blocking_pipe },
		{ "stream", open_full_stream },
		{ "datagrams", open_full_datagrams },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sink sink;

		rows[i].open(&sink);
		(void)alarm(10); /* a log that blocks would never fail */
		for (unsigned long lost = 1; lost <= 3; lost++) {
			log_line(&sink.log, LOG_INFO, "lost");
			expect_equal(rows[i].name, sink.log.lost, lost);
		}
		(void)alarm(0);
		sink.log.level = LOG_ERROR;
		log_line(&sink.log, LOG_INFO, "not wanted");
		expect_equal(rows[i].name, sink.log.lost, 3);
		drain(&sink);
		log_line(&sink.log, LOG_ERROR, "here");
		expect_text(rows[i].name, take(&sink),
		    "initd: error: here (3 lines before this were lost)\n");
		expect_equal(rows[i].name, sink.log.lost, 0);
		log_line(&sink.log, LOG_ERROR, "there");
		expect_text(rows[i].name, take(&sink), "initd: error: there\n");
		close_sink(&sink);
	}
}

static void
a_count_of_lost_lines_is_not_lost_behind_a_long_message(void **state)
{
	char message[3000];
	struct sink sink;

	(void)state;
	memset(message, 'x', sizeof message - 1);
	message[sizeof message - 1] = '\0';
	open_full_nonblocking_pipe(&sink);
	log_line(&sink.log, LOG_INFO, "lost");
	drain(&sink);
	log_line(&sink.log, LOG_INFO, "%s", message);
	assert_non_null(strstr(take(&sink), " (1 lines before this were lost)\n"));
	close_sink(&sink);
}

static void
a_reader_that_went_away_costs_only_the_lines(void **state)
{
	struct sink sink;

	(void)state;
	/* A socket must not raise SIGPIPE; of a pipe only the process can say so, as PID 1 does. */
	open_socket(&sink, SOCK_STREAM);
	assert_int_equal(close(sink.read_fd), 0);
	log_line(&sink.log, LOG_INFO, "lost");
	assert_int_equal(sink.log.lost, 1);
	assert_int_equal(close(sink.log.fd), 0);

	assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	open_pipe(&sink);
	assert_int_equal(close(sink.read_fd), 0);
	log_line(&sink.log, LOG_INFO, "lost");
	assert_int_equal(sink.log.lost, 1);
	assert_int_equal(close(sink.log.fd), 0);
	assert_true(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
}

/* ---- standard error ---- */

static void
a_new_log_is_standard_error_as_it_is(void **state)
{
	struct log log;

	(void)state;
	memset(&log, 0xff, sizeof log);
	log_init(&log);
	assert_int_equal(log.level, LOG_INFO);
	assert_int_equal(log.format, LOG_TEXT);
	assert_int_equal(log.fd, STDERR_FILENO);
	assert_true(log.may_block);
	assert_false(log.is_socket);
	assert_int_equal(log.lost, 0);
}

/* log_detach() with this descriptor as standard error. */
static struct log
detach(int fd)
{
	struct log log;
	int saved = dup(STDERR_FILENO);

	assert_true(saved >= 0);
	log_init(&log);
	assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	log_detach(&log);
	assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	assert_int_equal(close(saved), 0);
	return log;
}

static void
a_detached_pipe_is_nonblocking_for_us_alone(void **state)
{
	struct sink sink;
	struct log log;

	(void)state;
	open_pipe(&sink);
	make_blocking(sink.log.fd);
	log = detach(sink.log.fd);
	assert_true(log.fd > STDERR_FILENO);
	assert_false(log.may_block);
	assert_int_equal(fcntl(log.fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	assert_int_equal(fcntl(log.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(fcntl(sink.log.fd, F_GETFL) & O_NONBLOCK, 0);
	log_line(&log, LOG_INFO, "through");
	assert_string_equal(take(&sink), "initd: info: through\n");
	assert_int_equal(close(log.fd), 0);
	close_sink(&sink);
}

static void
a_detached_socket_is_sent_to(void **state)
{
	struct sink sink;
	struct log log;

	(void)state;
	open_socket(&sink, SOCK_STREAM);
	log = detach(sink.log.fd);
	assert_true(log.is_socket);
	assert_int_equal(log.fd, STDERR_FILENO);
	close_sink(&sink);
}

/* Its offset is shared with the child, so that neither writes over the other. */
static void
a_file_is_not_opened_again(void **state)
{
	FILE *file = tmpfile();
	struct log log;

	(void)state;
	assert_non_null(file);
	log = detach(fileno(file));
	assert_int_equal(log.fd, STDERR_FILENO);
	assert_false(log.is_socket);
	assert_int_equal(fclose(file), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_says_who_how_bad_and_what),
		cmocka_unit_test(the_time_is_now_in_utc),
		cmocka_unit_test(only_what_is_bad_enough_is_said),
		cmocka_unit_test(a_long_message_is_cut_to_one_line_that_a_pipe_takes_whole),
		cmocka_unit_test(errno_is_kept_whether_the_line_gets_through_or_not),
		cmocka_unit_test(lines_that_nobody_takes_are_counted_and_never_block),
		cmocka_unit_test(a_count_of_lost_lines_is_not_lost_behind_a_long_message),
		cmocka_unit_test(a_reader_that_went_away_costs_only_the_lines),
		cmocka_unit_test(a_new_log_is_standard_error_as_it_is),
		cmocka_unit_test(a_detached_pipe_is_nonblocking_for_us_alone),
		cmocka_unit_test(a_detached_socket_is_sent_to),
		cmocka_unit_test(a_file_is_not_opened_again),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
