/* SPDX-License-Identifier: MIT */
/* What a probe asks, and how an answer begins. */
#include "http.h"

#include "unit.h"

#include <arpa/inet.h>

/* ---- targets ---- */

static size_t
write_address(const union http_address *address, char *text, size_t size)
{
	char host[INET6_ADDRSTRLEN] = "?";

	switch (address->sa.sa_family) {
	case AF_INET:
		(void)inet_ntop(AF_INET, &address->in.sin_addr, host, sizeof host);
		return (size_t)snprintf(text, size, " %s:%u", host, ntohs(address->in.sin_port));
	case AF_INET6:
		(void)inet_ntop(AF_INET6, &address->in6.sin6_addr, host, sizeof host);
		return (size_t)snprintf(
		    text, size, " [%s]:%u", host, ntohs(address->in6.sin6_port));
	case AF_UNIX:
		if (address->un.sun_path[0] == '\0')
			return (size_t)snprintf(text, size, " @%.107s", address->un.sun_path + 1);
		return (size_t)snprintf(text, size, " %.108s", address->un.sun_path);
	default:
		return (size_t)snprintf(text, size, " ?");
	}
}

/* "http 127.0.0.1:8000 [::1]:8000 /health" */
static const char *
described(const struct http_target *target, char text[512])
{
	size_t n = (size_t)sprintf(text, "%s", target->is_http ? "http" : "tcp");

	for (unsigned i = 0; i < target->n_addresses; i++)
		n += write_address(&target->addresses[i], text + n, 512 - n);
	if (target->is_http || target->path[0])
		(void)snprintf(text + n, 512 - n, " %s", target->path);
	return text;
}

/* Read it beside a server on host:8000; NULL expected: it is refused, and the target is as it was. */
static void
expect_target(const char *text, const char *host, const char *expected)
{
	struct http_target target, before;
	char shows[512];

	memset(&target, 0xa5, sizeof target);
	memcpy(&before, &target, sizeof before);
	expect_equal(shown(text), http_target_parse(&target, text, host, 8000), !!expected);
	if (expected)
		expect_text(shown(text), described(&target, shows), expected);
	else
		expect_equal(shown(text), memcmp(&target, &before, sizeof before), 0);
}

static void
without_a_host_the_server_itself_is_asked(void **state)
{
	static const struct {
		const char *text, *host, *expected;
	} rows[] = {
		{ NULL, "127.0.0.1", "http 127.0.0.1:8000 /health" },
		{ NULL, "0.0.0.0", "http 127.0.0.1:8000 /health" },
		{ NULL, "::", "http [::1]:8000 127.0.0.1:8000 /health" },
		{ NULL, "0::0", "http [::1]:8000 127.0.0.1:8000 /health" },
		{ NULL, "::1", "http [::1]:8000 /health" },
		{ NULL, "2001:db8::7", "http [2001:db8::7]:8000 /health" },
		{ NULL, "10.1.2.3", "http 10.1.2.3:8000 /health" },
		{ NULL, "localhost", "http 127.0.0.1:8000 [::1]:8000 /health" },
		{ NULL, "LocalHost", "http 127.0.0.1:8000 [::1]:8000 /health" },
		{ "/", "0.0.0.0", "http 127.0.0.1:8000 /" },
		{ "/a/b?c=d&e=%20", "::", "http [::1]:8000 127.0.0.1:8000 /a/b?c=d&e=%20" },
		{ "/x:/y@z", "127.0.0.1", "http 127.0.0.1:8000 /x:/y@z" },
		{ "tcp", "0.0.0.0", "tcp 127.0.0.1:8000" },
		{ "tcp", "::", "tcp [::1]:8000 127.0.0.1:8000" },
		{ "tcp", "localhost", "tcp 127.0.0.1:8000 [::1]:8000" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		expect_target(rows[i].text, rows[i].host, rows[i].expected);
}

static void
a_url_names_who_is_asked(void **state)
{
	static const struct {
		const char *text, *expected;
	} rows[] = {
		{ "http://127.0.0.1:81/x", "http 127.0.0.1:81 /x" },
		{ "http://127.0.0.1:1/", "http 127.0.0.1:1 /" },
		{ "http://10.255.0.1:65535/", "http 10.255.0.1:65535 /" },
		{ "http://127.0.0.1/x", "http 127.0.0.1:80 /x" },
		{ "http://127.0.0.1", "http 127.0.0.1:80 /health" },
		{ "http://127.0.0.1:81", "http 127.0.0.1:81 /health" },
		{ "http://0.0.0.0:81/", "http 127.0.0.1:81 /" },
		{ "http://[::1]:81/x", "http [::1]:81 /x" },
		{ "http://[::1]/x", "http [::1]:80 /x" },
		{ "http://[2001:DB8:0::7]", "http [2001:db8::7]:80 /health" },
		{ "http://[::]:81/", "http [::1]:81 127.0.0.1:81 /" },
		{ "http://localhost:81/", "http 127.0.0.1:81 [::1]:81 /" },
		{ "http://localhost", "http 127.0.0.1:80 [::1]:80 /health" },
		{ "http://127.0.0.1:81/http://x/", "http 127.0.0.1:81 /http://x/" },
		{ "tcp://127.0.0.1:81", "tcp 127.0.0.1:81" },
		{ "tcp://0.0.0.0:81", "tcp 127.0.0.1:81" },
		{ "tcp://[::1]:81", "tcp [::1]:81" },
		{ "tcp://[::]:81", "tcp [::1]:81 127.0.0.1:81" },
		{ "tcp://localhost:81", "tcp 127.0.0.1:81 [::1]:81" },
		{ "unix:/run/a.sock", "http /run/a.sock /health" },
		{ "unix:/run/a.sock:/x?y", "http /run/a.sock /x?y" },
		{ "unix:/run/a.sock:/", "http /run/a.sock /" },
		{ "unix:@agent", "http @agent /health" },
		{ "unix:@agent:/x", "http @agent /x" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		expect_target(rows[i].text, "10.0.0.1", rows[i].expected);
}

static void
what_is_no_target_is_refused(void **state)
{
	static const char *const rows[] = {
		"",
		" ",
		"health",
		"8000",
		"127.0.0.1",
		"127.0.0.1:8000",
		"localhost:8000/health",
		" /health",
		"/health ",
		"/hea lth",
		"/health\n",
		"/health\r\n",
		"/a\r\nX-Evil: 1",
		"/a\tb",
		"/a\x01",
		"/a\x1b[0m",
		"/a\x7f",
		"http",
		"http:",
		"http:/",
		"http://",
		"http:///",
		"http:///health",
		"http://:8000/health",
		"http:127.0.0.1/",
		"https://127.0.0.1/",
		"ftp://127.0.0.1/",
		"http://user@127.0.0.1/",
		"http://user:secret@127.0.0.1:80/",
		"http://example.org/",
		"http://localhost.localdomain/",
		"http://127.1/",
		"http://2130706433/",
		"http://0x7f.0.0.1/",
		"http://256.0.0.1/",
		"http://1.2.3.4.5/",
		"http://127.0.0.1.:80/",
		"http://127.0.0.1 /",
		"http:// 127.0.0.1/",
		"http://127.0.0.1:80 /",
		"http://127.0.0.1:80/a b",
		"http://127.0.0.1:80/a\nb",
		"http://127.0.0.1:80x",
		"http://127.0.0.1:80?x",
		"http://127.0.0.1:/",
		"http://127.0.0.1:0/",
		"http://127.0.0.1:65536/",
		"http://127.0.0.1:4294967376/",
		"http://127.0.0.1:18446744073709551696/",
		"http://127.0.0.1:-1/",
		"http://127.0.0.1:+80/",
		"http://127.0.0.1: 80/",
		"http://127.0.0.1:0x50/",
		"http://127.0.0.1:80:80/",
		"http://::1/",
		"http://::1:80/",
		"http://[]/",
		"http://[::1/",
		"http://::1]/",
		"http://[::1]80/",
		"http://[::1]x/",
		"http://[::1]:/",
		"http://[::1]:65536/",
		"http://[[::1]]/",
		"http://[127.0.0.1]/",
		"http://[localhost]/",
		"http://[fe80::1%eth0]/",
		"http://[1:2:3:4:5:6:7:8:9]/",
		"tcp:",
		"tcp:8000",
		"tcp:/",
		"tcp://",
		"tcp://:81",
		"tcp://127.0.0.1:",
		"tcp://127.0.0.1:0",
		"tcp://127.0.0.1:65536",
		"tcp://127.0.0.1:81/",
		"tcp://127.0.0.1:81/health",
		"tcp://127.0.0.1:81 ",
		"tcp://::1:81",
		"tcp://example.org:81",
		"tcp ",
		"tcpx",
		"unix",
		"unix:",
		"unix:@",
		"unix::/health",
		"unix:@:/health",
		"unix:/run/a.sock:/a b",
		"unix:/run/a.sock:/a\nb",
		"unix:/run/a.sock:/a\x7f",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		expect_target(rows[i], "127.0.0.1", NULL);
}

/* before, n times 'x', after: is it a target? */
static void
expect_length(const char *before, size_t n, const char *after, bool expected)
{
	struct http_target target;
	char text[2048], xs[1024];

	memset(xs, 'x', n);
	xs[n] = '\0';
	(void)snprintf(text, sizeof text, "%s%s%s", before, xs, after);
	expect_equal(text, http_target_parse(&target, text, "127.0.0.1", 80), expected);
}

static void
what_is_too_long_is_refused_and_never_cut(void **state)
{
	const size_t path = HTTP_PATH_SIZE - 1,
		     name = sizeof(struct sockaddr_un) - offsetof(struct sockaddr_un, sun_path) - 1;

	(void)state;
	expect_length("/", path - 1, "", true);
	expect_length("/", path, "", false);
	expect_length("/", 1000, "", false);
	expect_length("http://127.0.0.1/", path - 1, "", true);
	expect_length("http://127.0.0.1/", path, "", false);
	expect_length("http://", 1000, "/", false);
	expect_length("unix:/", name - 1, "", true);
	expect_length("unix:/", name - 1, ":/health", true);
	expect_length("unix:/", name + 1, "", false);
	expect_length("unix:/", name + 1, ":/health", false);
	expect_length("unix:@", name - 1, "", true);
	expect_length("unix:@", name + 1, "", false);
	expect_length("unix:@", 1000, ":/", false);
	expect_length("unix:/a:/", path - 1, "", true);
	expect_length("unix:/a:/", path, "", false);
}

static struct http_target
target_of(const char *text)
{
	struct http_target target;

	if (!http_target_parse(&target, text, "0.0.0.0", 8000))
		fail_msg("%s: refused", text);
	return target;
}

static void
an_address_is_shown_as_a_url(void **state)
{
	static const struct {
		const char *text;
		unsigned address;
		const char *expected;
	} rows[] = {
		{ "/health", 0, "http://127.0.0.1:8000/health" },
		{ "http://[::1]:81/x?y", 0, "http://[::1]:81/x?y" },
		{ "http://[2001:DB8:0::7]:81/", 0, "http://[2001:db8::7]:81/" },
		{ "http://localhost:81/x", 0, "http://127.0.0.1:81/x" },
		{ "http://localhost:81/x", 1, "http://[::1]:81/x" },
		{ "tcp://[::]:81", 0, "tcp://[::1]:81" },
		{ "tcp://[::]:80", 1, "tcp://127.0.0.1:80" },
		{ "tcp", 0, "tcp://127.0.0.1:8000" },
		{ "unix:/run/a.sock:/health", 0, "unix:/run/a.sock:/health" },
		{ "unix:@agent:/x", 0, "unix:@agent:/x" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct http_target target = target_of(rows[i].text);
		char text[HTTP_TARGET_TEXT_SIZE];

		expect_text(rows[i].text, http_target_text(&target, rows[i].address, text),
		    rows[i].expected);
	}
}

static void
the_longest_target_can_be_shown(void **state)
{
	char longest[512], path[HTTP_PATH_SIZE], name[107], shows[HTTP_TARGET_TEXT_SIZE];
	struct http_target target;

	(void)state;
	memset(path, 'p', sizeof path);
	path[sizeof path - 1] = '\0';
	path[0] = '/';
	memset(name, 'n', sizeof name);
	name[sizeof name - 1] = '\0';
	(void)snprintf(longest, sizeof longest, "unix:@%s:%s", name, path);
	target = target_of(longest);
	expect_text(longest, http_target_text(&target, 0, shows), longest);
	(void)snprintf(longest, sizeof longest,
	    "http://[1111:2222:3333:4444:5555:6666:7777:8888]:65535%s", path);
	target = target_of(longest);
	expect_text(longest, http_target_text(&target, 0, shows), longest);
}

static void
a_target_that_is_spelled_out_needs_no_host(void **state)
{
	static const struct {
		const char *text, *host, *expected;
	} rows[] = {
		{ NULL, "0.0.0.0", "http://0.0.0.0:8000/health" },
		{ "/x?y", "::", "http://[::]:8000/x?y" },
		{ "/", "2001:db8::7", "http://[2001:db8::7]:8000/" },
		{ "/", "localhost", "http://localhost:8000/" },
		{ "tcp", "0.0.0.0", "tcp://0.0.0.0:8000" },
		{ "tcp", "::1", "tcp://[::1]:8000" },
		{ "http://localhost:81/x", "::", NULL },
		{ "http://127.0.0.1", "::", NULL },
		{ "tcp://[::]:81", "0.0.0.0", NULL },
		{ "unix:/run/a.sock", "0.0.0.0", NULL },
		{ "unix:@agent:/x", "0.0.0.0", NULL },
	};
	char spelled[HTTP_TARGET_TEXT_SIZE], expected[512], text[512];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *label = shown(rows[i].text);
		struct http_target target, again;

		expect_equal(
		    label, http_target_spell(rows[i].text, rows[i].host, 8000, spelled), true);
		if (rows[i].expected)
			expect_text(label, spelled, rows[i].expected);
		expect_equal(
		    label, http_target_parse(&target, rows[i].text, rows[i].host, 8000), true);
		expect_equal(label, http_target_parse(&again, spelled, "192.0.2.1", 9), true);
		expect_text(label, described(&again, text), described(&target, expected));
	}
}

/* An abstract name is as long as connect(2) is told: a NUL too many is another name. */
static void
the_length_of_an_address_is_that_of_its_kind(void **state)
{
	const size_t path = offsetof(struct sockaddr_un, sun_path);
	static const char name[] = "/run/a.sock";
	struct http_target target = target_of("http://127.0.0.1/");
	socklen_t length;

	(void)state;
	assert_int_equal(http_address_length(&target.addresses[0]), sizeof(struct sockaddr_in));
	target = target_of("http://[::1]/");
	assert_int_equal(http_address_length(&target.addresses[0]), sizeof(struct sockaddr_in6));
	target = target_of("unix:@agent");
	assert_int_equal(http_address_length(&target.addresses[0]), path + strlen("@agent"));
	target = target_of("unix:/run/a.sock");
	length = http_address_length(&target.addresses[0]);
	assert_in_range(length, path + strlen(name), sizeof(struct sockaddr_un));
}

/* ---- expected codes ---- */

/* The codes of a set as "200-299 404". */
static const char *
codes_text(const struct http_expect *expect, char text[8192])
{
	size_t n = 0;

	text[0] = '\0';
	for (unsigned first = 0; first <= 1100; first++) {
		unsigned last = first;

		if (!http_expect_has(expect, first))
			continue;
		while (last < 1100 && http_expect_has(expect, last + 1))
			last++;
		n += (size_t)sprintf(text + n, "%s%u", n ? " " : "", first);
		if (last > first)
			n += (size_t)sprintf(text + n, "-%u", last);
		first = last;
	}
	return text;
}

static void
expected_codes_are_codes_and_ranges_between_commas_and_blanks(void **state)
{
	static const struct {
		const char *text, *expected; /* NULL: refused */
	} rows[] = {
		{ "200", "200" },
		{ "200-299", "200-299" },
		{ "200,204,300-308", "200 204 300-308" },
		{ "404 200", "200 404" },
		{ "200, 204", "200 204" },
		{ " 200\t204 ", "200 204" },
		{ "100-599", "100-599" },
		{ "100,599", "100 599" },
		{ "204-204", "204" },
		{ "200-250,240-299", "200-299" },
		{ "201,203,205,207,209,211,213,215", "201 203 205 207 209 211 213 215" },
		{ "201,203,205,207,209,211,213,215,217", NULL },
		{ "", NULL },
		{ " ", NULL },
		{ ",", NULL },
		{ " , ", NULL },
		{ "99", NULL },
		{ "600", NULL },
		{ "0", NULL },
		{ "20", NULL },
		{ "2000", NULL },
		{ "65736", NULL },
		{ "4294967496", NULL },
		{ "99-200", NULL },
		{ "200-600", NULL },
		{ "299-200", NULL },
		{ "200-", NULL },
		{ "-200", NULL },
		{ "-", NULL },
		{ "200--299", NULL },
		{ "200-250-299", NULL },
		{ "+200", NULL },
		{ "0x200", NULL },
		{ "2xx", NULL },
		{ "200x", NULL },
		{ "200;204", NULL },
		{ "200.0", NULL },
		{ "ok", NULL },
		{ "200,404,ok", NULL },
	};
	char text[8192];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct http_expect expect = { .n = 1, .ranges = { { 418, 418 } } };

		expect_equal(
		    rows[i].text, http_expect_parse(rows[i].text, &expect), !!rows[i].expected);
		expect_text(rows[i].text, codes_text(&expect, text),
		    rows[i].expected ? rows[i].expected : "418");
	}
}

static void
the_text_of_expected_codes_is_not_longer_than_a_status_has_room_for(void **state)
{
	struct http_expect expect;
	char text[HTTP_EXPECT_SIZE + 1];

	(void)state;
	memset(text, ' ', sizeof text);
	memcpy(text, "200", 3);
	text[HTTP_EXPECT_SIZE] = '\0';
	assert_false(http_expect_parse(text, &expect));
	text[HTTP_EXPECT_SIZE - 1] = '\0';
	assert_true(http_expect_parse(text, &expect));
}

/* ---- the request ---- */

static void
a_host_header_is_visible_ascii(void **state)
{
	static const struct {
		const char *text;
		bool expected;
	} rows[] = {
		{ "localhost", true },
		{ "example.org:8000", true },
		{ "[::1]:80", true },
		{ "!~", true },
		{ "", false },
		{ " ", false },
		{ "a b", false },
		{ " a", false },
		{ "a ", false },
		{ "a\tb", false },
		{ "a\n", false },
		{ "a\r\nX: y", false },
		{ "a\x1f", false },
		{ "a\x7f", false },
		{ "\x80", false },
		{ "gr\xc3\xbcn.example", false },
	};
	char text[HTTP_HOST_SIZE + 1];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		expect_equal(rows[i].text, http_host_is_valid(rows[i].text), rows[i].expected);
	memset(text, 'a', sizeof text);
	text[HTTP_HOST_SIZE] = '\0';
	assert_false(http_host_is_valid(text));
	text[HTTP_HOST_SIZE - 1] = '\0';
	assert_true(http_host_is_valid(text));
}

#define REQUEST(path, host)                                                                        \
	"GET " path " HTTP/1.1\r\nHost: " host "\r\nUser-Agent: initd/" INITD_VERSION              \
	"\r\nAccept: */*\r\nConnection: close\r\n\r\n"

static void
a_request_asks_for_the_path_and_names_the_host(void **state)
{
	static const struct {
		const char *target;
		unsigned address;
		const char *host, *expected;
	} rows[] = {
		{ "/health", 0, NULL, REQUEST("/health", "127.0.0.1:8000") },
		{ "/", 0, "example.org", REQUEST("/", "example.org") },
		{ "http://localhost:81/a?b=c", 0, NULL, REQUEST("/a?b=c", "127.0.0.1:81") },
		{ "http://localhost:81/a?b=c", 1, NULL, REQUEST("/a?b=c", "[::1]:81") },
		{ "http://localhost:81/", 1, "a:1", REQUEST("/", "a:1") },
		{ "unix:/run/a.sock:/x", 0, NULL, REQUEST("/x", "localhost") },
		{ "unix:@agent:/x", 0, "example.org", REQUEST("/x", "example.org") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct http_target target = target_of(rows[i].target);
		char buf[1024];
		size_t n =
		    http_request(&target, rows[i].address, rows[i].host, buf, sizeof buf - 1);

		buf[n] = '\0';
		expect_text(rows[i].target, buf, rows[i].expected);
	}
}

static void
a_request_that_does_not_fit_is_none(void **state)
{
	const struct http_target target = target_of("/health");
	const size_t length = strlen(REQUEST("/health", "example.org"));

	(void)state;
	for (size_t size = 1; size <= length + 2; size++) {
		/* Of exactly this size, so that the address sanitizer sees a byte too many. */
		char *buf = malloc(size);
		size_t n;

		assert_non_null(buf);
		n = http_request(&target, 0, "example.org", buf, size);
		/* A NUL behind it may or may not be wanted. */
		if (size != length || n != 0)
			expect_equal("length", n, size < length ? 0 : length);
		free(buf);
	}
}

/* ---- the answer ---- */

/* Bytes, some of them 0. */
struct bytes {
	const char *start;
	size_t n;
};

#define BYTES(text)                                                                                \
	{                                                                                          \
		text, sizeof(text) - 1                                                             \
	}

struct answer_row {
	struct bytes in;
	enum http_progress expected;
	unsigned status;
};

/* Take it with a cut at each of two places; each part is of exactly its size. */
static enum http_progress
take_in_parts(struct http_answer *answer, struct bytes in, size_t first, size_t second)
{
	const size_t cuts[] = { 0, first, second, in.n };
	enum http_progress progress = HTTP_MORE;

	*answer = (struct http_answer){ 0 };
	for (size_t i = 0; i + 1 < COUNT(cuts); i++) {
		size_t n = cuts[i + 1] - cuts[i];
		char *part = malloc(n > 0 ? n : 1);

		assert_non_null(part);
		memcpy(part, in.start + cuts[i], n);
		progress = http_answer_take(answer, part, n);
		free(part);
	}
	return progress;
}

static enum http_progress
take_byte_by_byte(struct http_answer *answer, struct bytes in)
{
	enum http_progress progress = HTTP_MORE;

	*answer = (struct http_answer){ 0 };
	for (size_t i = 0; i < in.n; i++)
		progress = http_answer_take(answer, in.start + i, 1);
	return progress;
}

/* However it comes: whole, byte by byte, in two parts. */
static void
expect_answer(const char *label, struct bytes in, enum http_progress expected, unsigned status)
{
	struct http_answer answer;

	for (size_t cut = 0; cut <= in.n; cut++) {
		expect_equal(label, take_in_parts(&answer, in, cut, in.n), expected);
		if (expected == HTTP_ANSWERED)
			expect_equal(label, answer.status, status);
	}
	expect_equal(label, take_byte_by_byte(&answer, in), expected);
	if (expected == HTTP_ANSWERED)
		expect_equal(label, answer.status, status);
}

static void
expect_answers(const struct answer_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		expect_answer(rows[i].in.start, rows[i].in, rows[i].expected, rows[i].status);
}

static void
a_complete_status_line_is_an_answer(void **state)
{
	static const struct answer_row rows[] = {
		{ BYTES("HTTP/1.1 200 OK\r\n"), HTTP_ANSWERED, 200 },
		{ BYTES("HTTP/1.1 200 OK\n"), HTTP_ANSWERED, 200 },
		{ BYTES("HTTP/1.1 200 \r\n"), HTTP_ANSWERED, 200 },
		{ BYTES("HTTP/1.1 200 \n"), HTTP_ANSWERED, 200 },
		{ BYTES("HTTP/1.1 200\r\n"), HTTP_ANSWERED, 200 },
		{ BYTES("HTTP/1.1 200\n"), HTTP_ANSWERED, 200 },
		{ BYTES("HTTP/1.0 404 Not Found\r\n"), HTTP_ANSWERED, 404 },
		{ BYTES("HTTP/1.9 599 x\r\n"), HTTP_ANSWERED, 599 },
		{ BYTES("HTTP/1.1 307 Temporary Redirect\r\n"), HTTP_ANSWERED, 307 },
		{ BYTES("HTTP/1.1 200 100 199 \r\n"), HTTP_ANSWERED, 200 },
		{ BYTES("HTTP/1.1 500 a\rb\tc \xff\x01\r\r\n"), HTTP_ANSWERED, 500 },
		{ BYTES("HTTP/1.1 200 a\0b\r\n"), HTTP_ANSWERED, 200 },
		{ BYTES("HTTP/1.1 503 x\r\nServer: y\r\n\r\nbody"), HTTP_ANSWERED, 503 },
		{ BYTES("HTTP/1.1 200 x\r\nHTTP/1.1 500 y\r\n"), HTTP_ANSWERED, 200 },
		{ BYTES("HTTP/1.1 200 x\r\n\r\n\0\0garbage\xff"), HTTP_ANSWERED, 200 },
	};

	(void)state;
	expect_answers(rows, COUNT(rows));
}

static void
a_part_of_an_answer_says_nothing_yet(void **state)
{
	static const struct answer_row rows[] = {
		{ BYTES(""), HTTP_MORE, 0 },
		{ BYTES("H"), HTTP_MORE, 0 },
		{ BYTES("HTTP/1."), HTTP_MORE, 0 },
		{ BYTES("HTTP/1.1 "), HTTP_MORE, 0 },
		{ BYTES("HTTP/1.1 20"), HTTP_MORE, 0 },
		{ BYTES("HTTP/1.1 200"), HTTP_MORE, 0 },
		{ BYTES("HTTP/1.1 200\r"), HTTP_MORE, 0 },
		{ BYTES("HTTP/1.1 200 OK"), HTTP_MORE, 0 },
		{ BYTES("HTTP/1.1 200 OK\r"), HTTP_MORE, 0 },
		{ BYTES("HTTP/1.1 100 Continue\r\n"), HTTP_MORE, 0 },
		{ BYTES("HTTP/1.1 100 Continue\r\n\r"), HTTP_MORE, 0 },
		{ BYTES("HTTP/1.1 100 Continue\r\n\r\n"), HTTP_MORE, 0 },
		{ BYTES("HTTP/1.1 103 x\r\nHTTP/1.1 200 OK\r\n"), HTTP_MORE, 0 },
		{ BYTES("HTTP/1.1 100 x\r\n\r\nHTTP/1.1 200 OK"), HTTP_MORE, 0 },
	};

	(void)state;
	expect_answers(rows, COUNT(rows));
}

#define EARLY "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"

static void
interim_answers_are_passed_over(void **state)
{
	static const struct answer_row rows[] = {
		{ BYTES("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"), HTTP_ANSWERED, 200 },
		{ BYTES("HTTP/1.1 100\r\n\r\nHTTP/1.1 204\r\n"), HTTP_ANSWERED, 204 },
		{ BYTES("HTTP/1.1 100\n\nHTTP/1.1 204\n"), HTTP_ANSWERED, 204 },
		{ BYTES("HTTP/1.1 100\r\n\nHTTP/1.1 204\r\n"), HTTP_ANSWERED, 204 },
		{ BYTES("HTTP/1.1 100\nA: b\n\r\nHTTP/1.0 404 x\n"), HTTP_ANSWERED, 404 },
		{ BYTES("HTTP/1.1 199 x\r\n\r\nHTTP/1.1 200\r\n"), HTTP_ANSWERED, 200 },
		{ BYTES(EARLY "HTTP/1.1 503 x\r\n"), HTTP_ANSWERED, 503 },
		{ BYTES(EARLY EARLY "HTTP/1.1 102 x\r\nA: b\r\nC:\r\n\r\nHTTP/1.1 299 x\r\n"),
		    HTTP_ANSWERED, 299 },
		{ BYTES(EARLY "garbage\r\n"), HTTP_GARBAGE, 0 },
		{ BYTES(EARLY "\r\nHTTP/1.1 200 OK\r\n"), HTTP_GARBAGE, 0 },
		{ BYTES(EARLY "HTTP/1.1 600 x\r\n"), HTTP_GARBAGE, 0 },
	};

	(void)state;
	expect_answers(rows, COUNT(rows));
}

static void
what_is_not_http_1_is_garbage(void **state)
{
	static const struct answer_row rows[] = {
		{ BYTES("SSH-2.0-OpenSSH_9.2p1\r\n"), HTTP_GARBAGE, 0 },
		{ BYTES("220 mail.example ESMTP\r\n"), HTTP_GARBAGE, 0 },
		{ BYTES("<html>it works</html>"), HTTP_GARBAGE, 0 },
		{ BYTES("\x15\x03\x01\x00\x02\x02\x46"), HTTP_GARBAGE, 0 },
		{ BYTES("\0"), HTTP_GARBAGE, 0 },
		{ BYTES("\n"), HTTP_GARBAGE, 0 },
		{ BYTES("\r\nHTTP/1.1 200 OK\r\n"), HTTP_GARBAGE, 0 },
		{ BYTES(" HTTP/1.1 200 OK\r\n"), HTTP_GARBAGE, 0 },
		{ BYTES("http/1.1 200 OK\r\n"), HTTP_GARBAGE, 0 },
		{ BYTES("HTTP 1.1 200 OK\r\n"), HTTP_GARBAGE, 0 },
		{ BYTES("HTTP/2 200\r\n"), HTTP_GARBAGE, 0 },
		{ BYTES("HTTP/2.0 200 OK\r\n"), HTTP_GARBAGE, 0 },
		{ BYTES("HTTP/0.9 200 OK\r\n"), HTTP_GARBAGE, 0 },
		{ BYTES("HTTP/1 200 OK\r\n"), HTTP_GARBAGE, 0 },
		{ BYTES("HTTP/1. 200 OK\r\n"), HTTP_GARBAGE, 0 },
		{ BYTES("HTTP/1.x 200 OK\r\n"), HTTP_GARBAGE, 0 },
		{ BYTES("HTTP/1.10 200 OK\r\n"), HTTP_GARBAGE, 0 },
		{ BYTES("HTTP/11 200 OK\r\n"), HTTP_GARBAGE, 0 },
		{ BYTES("HTTP/1.1\r\n"), HTTP_GARBAGE, 0 },
		{ BYTES("HTTP/1.1 \r\n"), HTTP_GARBAGE, 0 },
		{ BYTES("HTTP/1.1  200 OK\r\n"), HTTP_GARBAGE, 0 },
		{ BYTES("HTTP/1.1\t200 OK\r\n"), HTTP_GARBAGE, 0 },
		{ BYTES("HTTP/1.1200 OK\r\n"), HTTP_GARBAGE, 0 },
		{ BYTES("HTTP/1.1 20\r\n"), HTTP_GARBAGE, 0 },
		{ BYTES("HTTP/1.1 20 OK\r\n"), HTTP_GARBAGE, 0 },
		{ BYTES("HTTP/1.1 2000 OK\r\n"), HTTP_GARBAGE, 0 },
		{ BYTES("HTTP/1.1 20x OK\r\n"), HTTP_GARBAGE, 0 },
		{ BYTES("HTTP/1.1 200OK\r\n"), HTTP_GARBAGE, 0 },
		{ BYTES("HTTP/1.1 200\tOK\r\n"), HTTP_GARBAGE, 0 },
		{ BYTES("HTTP/1.1 200\rOK\r\n"), HTTP_GARBAGE, 0 },
		{ BYTES("HTTP/1.1 200\0\r\n"), HTTP_GARBAGE, 0 },
		{ BYTES("HTTP/1.1 000 x\r\n"), HTTP_GARBAGE, 0 },
		{ BYTES("HTTP/1.1 099 x\r\n"), HTTP_GARBAGE, 0 },
		{ BYTES("HTTP/1.1 600 x\r\n"), HTTP_GARBAGE, 0 },
		{ BYTES("HTTP/1.1 999 x\r\n"), HTTP_GARBAGE, 0 },
		{ BYTES("HTTP/1.1 -20 x\r\n"), HTTP_GARBAGE, 0 },
		{ BYTES("HTTP/1.1 +20 x\r\n"), HTTP_GARBAGE, 0 },
		{ BYTES("HTTP/1.1 OK\r\n"), HTTP_GARBAGE, 0 },
	};

	(void)state;
	expect_answers(rows, COUNT(rows));
}

/* The first `before`, as much of 'x' as it takes, and `after`: so many bytes in all. */
static struct bytes
padded(char *buf, const char *before, const char *after, size_t n)
{
	memset(buf, 'x', n);
	memcpy(buf, before, strlen(before));
	memcpy(buf + n - strlen(after), after, strlen(after));
	return (struct bytes){ buf, n };
}

static void
a_status_line_is_complete_within_4096_bytes_or_never(void **state)
{
	static const struct {
		const char *before, *after;
		size_t n;
		enum http_progress expected;
	} rows[] = {
		{ "HTTP/1.1 200 ", "\r\n", HTTP_ANSWER_MAX - 1, HTTP_ANSWERED },
		{ "HTTP/1.1 200 ", "\r\n", HTTP_ANSWER_MAX, HTTP_ANSWERED },
		{ "HTTP/1.1 200 ", "\r\n", HTTP_ANSWER_MAX + 1, HTTP_GARBAGE },
		{ "HTTP/1.1 200 ", "\r\n", HTTP_ANSWER_MAX + 2, HTTP_GARBAGE },
		{ "HTTP/1.1 200 ", "x", HTTP_ANSWER_MAX - 1, HTTP_MORE },
		{ "HTTP/1.1 200 ", "x", HTTP_ANSWER_MAX + 1, HTTP_GARBAGE },
		{ "HTTP/1.1 100 ", "\r\n\r\nHTTP/1.1 200\r\n", HTTP_ANSWER_MAX, HTTP_ANSWERED },
		{ "HTTP/1.1 100 ", "\r\n\r\nHTTP/1.1 200\r\n", HTTP_ANSWER_MAX + 1, HTTP_GARBAGE },
		{ "HTTP/1.1 100\nA: ", "\n\nHTTP/1.1 200\n", HTTP_ANSWER_MAX + 1, HTTP_GARBAGE },
		{ "HTTP/1.1 200\r\n", "x", HTTP_ANSWER_MAX + 1, HTTP_ANSWERED },
		{ "HTTP/1.1 200\r\n", "x", 8 * HTTP_ANSWER_MAX, HTTP_ANSWERED },
	};
	static char buf[8 * HTTP_ANSWER_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct bytes in = padded(buf, rows[i].before, rows[i].after, rows[i].n);
		struct http_answer answer;
		char row[64];

		(void)snprintf(row, sizeof row, "row %zu", i + 1);
		for (size_t cut = 0; cut <= in.n; cut += cut < 40 || cut + 40 > in.n ? 1 : 32)
			expect_equal(row, take_in_parts(&answer, in, cut, in.n), rows[i].expected);
		expect_equal(row, take_byte_by_byte(&answer, in), rows[i].expected);
		if (rows[i].expected == HTTP_ANSWERED)
			expect_equal(row, answer.status, 200);
	}
}

static void
interim_answers_count_for_the_limit_too(void **state)
{
	struct http_answer answer = { 0 };
	enum http_progress progress = HTTP_MORE;
	size_t n = 0;

	(void)state;
	for (; progress == HTTP_MORE && n <= HTTP_ANSWER_MAX; n += strlen(EARLY))
		progress = http_answer_take(&answer, EARLY, strlen(EARLY));
	assert_int_equal(progress, HTTP_GARBAGE);
	assert_in_range(n, HTTP_ANSWER_MAX, HTTP_ANSWER_MAX + strlen(EARLY));
}

static void
a_result_stays_whatever_comes_after_it(void **state)
{
	static const struct {
		struct bytes first, then;
		enum http_progress expected;
	} rows[] = {
		{ BYTES("HTTP/1.1 404\n"), BYTES("HTTP/1.1 200 OK\r\n"), HTTP_ANSWERED },
		{ BYTES("HTTP/1.1 404\n"), BYTES("\0garbage"), HTTP_ANSWERED },
		{ BYTES("HTTP/1.1 404\n"), BYTES(""), HTTP_ANSWERED },
		{ BYTES("x"), BYTES("HTTP/1.1 200 OK\r\n"), HTTP_GARBAGE },
		{ BYTES("x\r\n\r\n"), BYTES("HTTP/1.1 200 OK\r\n"), HTTP_GARBAGE },
		{ BYTES("x"), BYTES(""), HTTP_GARBAGE },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct http_answer answer = { 0 };

		(void)http_answer_take(&answer, rows[i].first.start, rows[i].first.n);
		for (unsigned again = 0; again < 2000; again++)
			expect_equal(rows[i].first.start,
			    http_answer_take(&answer, rows[i].then.start, rows[i].then.n),
			    rows[i].expected);
		if (rows[i].expected == HTTP_ANSWERED)
			expect_equal(rows[i].first.start, answer.status, 404);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_host_the_server_itself_is_asked),
		cmocka_unit_test(a_url_names_who_is_asked),
		cmocka_unit_test(what_is_no_target_is_refused),
		cmocka_unit_test(what_is_too_long_is_refused_and_never_cut),
		cmocka_unit_test(an_address_is_shown_as_a_url),
		cmocka_unit_test(the_longest_target_can_be_shown),
		cmocka_unit_test(a_target_that_is_spelled_out_needs_no_host),
		cmocka_unit_test(the_length_of_an_address_is_that_of_its_kind),
		cmocka_unit_test(expected_codes_are_codes_and_ranges_between_commas_and_blanks),
		cmocka_unit_test(
		    the_text_of_expected_codes_is_not_longer_than_a_status_has_room_for),
		cmocka_unit_test(a_host_header_is_visible_ascii),
		cmocka_unit_test(a_request_asks_for_the_path_and_names_the_host),
		cmocka_unit_test(a_request_that_does_not_fit_is_none),
		cmocka_unit_test(a_complete_status_line_is_an_answer),
		cmocka_unit_test(a_part_of_an_answer_says_nothing_yet),
		cmocka_unit_test(interim_answers_are_passed_over),
		cmocka_unit_test(what_is_not_http_1_is_garbage),
		cmocka_unit_test(a_status_line_is_complete_within_4096_bytes_or_never),
		cmocka_unit_test(interim_answers_count_for_the_limit_too),
		cmocka_unit_test(a_result_stays_whatever_comes_after_it),
	};

	return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
