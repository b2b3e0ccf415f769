/* SPDX-License-Identifier: MIT */
/* What a probe asks, and how an answer begins. */
#include "http.h"

#include "parse.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- targets ---- */

enum {
	HTTP_PORT = 80, /* of a URL that names none (RFC 9110, 4.2.1) */
	PORT_MAX = 65535,
};

static bool
is_visible(const char *text)
{
	for (; *text; text++)
		if (*text <= 0x20 || *text >= 0x7f)
			return false;
	return true;
}

/* Take `prefix` from the front of *text. */
static bool
take(const char **text, const char *prefix)
{
	size_t length = strlen(prefix);

	if (strncasecmp(*text, prefix, length) != 0)
		return false;
	*text += length;
	return true;
}

static bool
set_path(struct http_target *target, const char *path)
{
	if (strlen(path) >= sizeof target->path || !is_visible(path))
		return false;
	(void)stpcpy(target->path, path);
	target->is_http = true;
	return true;
}

static void
add_ipv4(struct http_target *target, in_addr_t address, unsigned port)
{
	target->addresses[target->n_addresses++].in = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = address,
	};
}

static void
add_ipv6(struct http_target *target, const struct in6_addr *address, unsigned port)
{
	target->addresses[target->n_addresses++].in6 = (struct sockaddr_in6){
		.sin6_family = AF_INET6,
		.sin6_port = htons((uint16_t)port),
		.sin6_addr = *address,
	};
}

/* A wildcard is for binding; who binds it answers on the loopback. */
static bool
set_host(struct http_target *target, const char *host, unsigned port)
{
	struct in_addr ipv4;
	struct in6_addr ipv6;

	target->n_addresses = 0;
	if (strcasecmp(host, "localhost") == 0) {
		add_ipv4(target, htonl(INADDR_LOOPBACK), port);
		add_ipv6(target, &in6addr_loopback, port);
	} else if (inet_pton(AF_INET, host, &ipv4) == 1) {
		add_ipv4(target,
		    ipv4.s_addr == htonl(INADDR_ANY) ? htonl(INADDR_LOOPBACK) : ipv4.s_addr, port);
	} else if (inet_pton(AF_INET6, host, &ipv6) != 1) {
		return false;
	} else if (IN6_IS_ADDR_UNSPECIFIED(&ipv6)) {
		add_ipv6(target, &in6addr_loopback, port);
		add_ipv4(target, htonl(INADDR_LOOPBACK), port);
	} else {
		add_ipv6(target, &ipv6, port);
	}
	return true;
}

/* HOST, HOST:PORT or [IPV6]:PORT, `length` bytes; a missing port is `port`. */
static bool
set_authority(struct http_target *target, const char *text, size_t length, unsigned port)
{
	char host[INET6_ADDRSTRLEN + sizeof ":65535" + 2], *name = host, *end;
	uint64_t n = port;

	if (length >= sizeof host)
		return false;
	memcpy(host, text, length);
	host[length] = '\0';
	if (*host == '[') {
		name++;
		end = strchr(name, ']');
		if (!end || !memchr(name, ':', (size_t)(end - name)))
			return false;
		*end++ = '\0';
	} else {
		end = strchrnul(host, ':');
	}
	if (*end == ':') {
		*end++ = '\0';
		if (!parse_number(end, PORT_MAX, &n))
			return false;
	} else if (*end != '\0') {
		return false;
	}
	/* An IPv6 address outside of brackets ends at its first colon: that is no host. */
	return n > 0 && set_host(target, name, (unsigned)n);
}

static bool
set_url(struct http_target *target, const char *text)
{
	size_t length = strcspn(text, "/");

	return set_authority(target, text, length, HTTP_PORT) &&
	       set_path(target, text[length] ? text + length : HTTP_DEFAULT_PATH);
}

/* SOCKET or SOCKET:PATH; @NAME is in the abstract namespace. */
static bool
set_unix(struct http_target *target, const char *text)
{
	struct sockaddr_un *un = &target->addresses[0].un;
	const char *colon = strstr(text, ":/");
	size_t length = colon ? (size_t)(colon - text) : strlen(text);

	*un = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (length < 2 || length >= sizeof un->sun_path || (*text != '/' && *text != '@') ||
	    !is_visible(text))
		return false;
	memcpy(un->sun_path, text, length);
	if (*text == '@')
		un->sun_path[0] = '\0';
	target->n_addresses = 1;
	return set_path(target, colon ? colon + 1 : HTTP_DEFAULT_PATH);
}

static bool
parse_target(struct http_target *target, const char *text, const char *host, unsigned port)
{
	if (*text == '/')
		return set_host(target, host, port) && set_path(target, text);
	if (strcmp(text, "tcp") == 0)
		return set_host(target, host, port);
	if (take(&text, "http://"))
		return set_url(target, text);
	if (take(&text, "tcp://"))
		return set_authority(target, text, strlen(text), 0);
	return take(&text, "unix:") && set_unix(target, text);
}

bool
http_target_parse(struct http_target *target, const char *text, const char *host, unsigned port)
{
	struct http_target parsed;

	parsed.is_http = false;
	parsed.n_addresses = 0;
	parsed.path[0] = '\0';
	if (!parse_target(&parsed, text ? text : HTTP_DEFAULT_PATH, host, port))
		return false;
	*target = parsed;
	return true;
}

bool
http_target_spell(
    const char *text, const char *host, unsigned port, char buf[HTTP_TARGET_TEXT_SIZE])
{
	const char *open = strchr(host, ':') ? "[" : "", *close = *open ? "]" : "";
	int n;

	if (!text)
		text = HTTP_DEFAULT_PATH;
	if (*text == '/')
		n = snprintf(buf, HTTP_TARGET_TEXT_SIZE, "http://%s%s%s:%u%s", open, host, close,
		    port, text);
	else if (strcmp(text, "tcp") == 0)
		n = snprintf(
		    buf, HTTP_TARGET_TEXT_SIZE, "tcp://%s%s%s:%u", open, host, close, port);
	else
		n = snprintf(buf, HTTP_TARGET_TEXT_SIZE, "%s", text);
	return n >= 0 && n < HTTP_TARGET_TEXT_SIZE;
}

/* 127.0.0.1:8000, [::1]:8000. */
static void
address_text(const union http_address *address, char *buf, size_t size)
{
	char name[INET6_ADDRSTRLEN] = "";

	if (address->sa.sa_family == AF_INET6) {
		(void)inet_ntop(AF_INET6, &address->in6.sin6_addr, name, sizeof name);
		(void)snprintf(buf, size, "[%s]:%u", name, ntohs(address->in6.sin6_port));
	} else {
		(void)inet_ntop(AF_INET, &address->in.sin_addr, name, sizeof name);
		(void)snprintf(buf, size, "%s:%u", name, ntohs(address->in.sin_port));
	}
}

const char *
http_target_text(
    const struct http_target *target, unsigned address, char buf[HTTP_TARGET_TEXT_SIZE])
{
	const union http_address *at = &target->addresses[address];
	char host[INET6_ADDRSTRLEN + 10];

	if (at->sa.sa_family == AF_UNIX) {
		bool is_abstract = at->un.sun_path[0] == '\0';

		(void)snprintf(buf, HTTP_TARGET_TEXT_SIZE, "unix:%s%s:%s", is_abstract ? "@" : "",
		    at->un.sun_path + is_abstract, target->path);
		return buf;
	}
	address_text(at, host, sizeof host);
	(void)snprintf(buf, HTTP_TARGET_TEXT_SIZE, "%s://%s%s", target->is_http ? "http" : "tcp",
	    host, target->path);
	return buf;
}

socklen_t
http_address_length(const union http_address *address)
{
	switch (address->sa.sa_family) {
	case AF_INET:
		return sizeof address->in;
	case AF_INET6:
		return sizeof address->in6;
	default:
		/* An abstract name begins with a NUL byte and has no end but its length. */
		return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
				   strlen(address->un.sun_path + 1));
	}
}

/* ---- expected status codes ---- */

enum {
	STATUS_MIN = 100,
	STATUS_MAX = 599,
};

/* Three digits at *text, from 100 to 599. */
static bool
take_status(const char **text, uint16_t *out)
{
	unsigned n = 0;

	for (int i = 0; i < 3; i++) {
		if ((*text)[i] < '0' || (*text)[i] > '9')
			return false;
		n = n * 10 + (unsigned)((*text)[i] - '0');
	}
	if (n < STATUS_MIN || n > STATUS_MAX)
		return false;
	*text += 3;
	*out = (uint16_t)n;
	return true;
}

static bool
is_separator(char c)
{
	return c == ',' || c == ' ' || c == '\t';
}

/* CODE or CODE-CODE at *text. */
static bool
take_range(const char **text, uint16_t *first, uint16_t *last)
{
	if (!take_status(text, first))
		return false;
	*last = *first;
	if (**text != '-')
		return true;
	++*text;
	return take_status(text, last) && *first <= *last;
}

bool
http_expect_parse(const char *text, struct http_expect *out)
{
	const char *begin = text;
	struct http_expect expect;

	expect.n = 0;
	for (;;) {
		while (is_separator(*text))
			text++;
		if (*text == '\0')
			break;
		if (expect.n == HTTP_RANGES_MAX ||
		    !take_range(
			&text, &expect.ranges[expect.n].first, &expect.ranges[expect.n].last) ||
		    (*text && !is_separator(*text)))
			return false;
		expect.n++;
	}
	if (expect.n == 0 || text - begin >= HTTP_EXPECT_SIZE)
		return false;
	*out = expect;
	return true;
}

bool
http_expect_has(const struct http_expect *expect, unsigned status)
{
	for (unsigned i = 0; i < expect->n; i++)
		if (status >= expect->ranges[i].first && status <= expect->ranges[i].last)
			return true;
	return false;
}

/* ---- the request ---- */

bool
http_host_is_valid(const char *text)
{
	return *text && strlen(text) < HTTP_HOST_SIZE && is_visible(text);
}

size_t
http_request(
    const struct http_target *target, unsigned address, const char *host, char *buf, size_t size)
{
	char own[INET6_ADDRSTRLEN + 10] = "localhost";
	int n;

	if (!host && target->addresses[address].sa.sa_family != AF_UNIX)
		address_text(&target->addresses[address], own, sizeof own);
	n = snprintf(buf, size,
	    "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: initd/" INITD_VERSION
	    "\r\nAccept: */*\r\nConnection: close\r\n\r\n",
	    target->path, host ? host : own);
	return (size_t)n < size ? (size_t)n : 0;
}

/* ---- the answer ---- */

/* What comes next; the first eight are the bytes of "HTTP/1." and a digit behind it. */
enum {
	AT_START = 0,
	AT_VERSION = 7,
	AT_BLANK,
	AT_HUNDREDS,
	AT_TENS,
	AT_ONES,
	AT_CODE_END,
	AT_CR_END, /* a CR stood behind the code */
	AT_REASON,
	AT_LINE,    /* at the start of a field line of an interim answer */
	AT_LINE_CR, /* a CR stood at the start of a line */
	AT_FIELD,   /* inside of one */
	AT_END,
	AT_NOTHING,
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The status line is complete: final, or the fields of an interim answer follow. */
static uint16_t
end_status_line(const struct http_answer *answer)
{
	return answer->status >= 200 ? AT_END : AT_LINE;
}

static uint16_t
behind_digit(struct http_answer *answer, char c)
{
	bool is_first = answer->state == AT_HUNDREDS;

	if (!is_digit(c) ||
	    (is_first && (c < '0' + STATUS_MIN / 100 || c > '0' + STATUS_MAX / 100)))
		return AT_NOTHING;
	answer->status = (uint16_t)((is_first ? 0 : answer->status * 10) + (c - '0'));
	return (uint16_t)(answer->state + 1);
}

/* The state behind one more byte of a status line. */
static uint16_t
in_status_line(struct http_answer *answer, char c)
{
	static const char protocol[] = "HTTP/1.";

	switch (answer->state) {
	case AT_VERSION:
		return is_digit(c) ? AT_BLANK : AT_NOTHING;
	case AT_BLANK:
		return c == ' ' ? AT_HUNDREDS : AT_NOTHING;
	case AT_HUNDREDS:
	case AT_TENS:
	case AT_ONES:
		return behind_digit(answer, c);
	case AT_CODE_END:
		if (c == '\r')
			return AT_CR_END;
		if (c == ' ')
			return AT_REASON;
		return c == '\n' ? end_status_line(answer) : AT_NOTHING;
	case AT_CR_END:
		return c == '\n' ? end_status_line(answer) : AT_NOTHING;
	case AT_REASON:
		return c == '\n' ? end_status_line(answer) : AT_REASON;
	default:
		return c == protocol[answer->state] ? (uint16_t)(answer->state + 1) : AT_NOTHING;
	}
}

/* The same of the lines behind an interim status line; an empty one ends them. */
static uint16_t
in_fields(const struct http_answer *answer, char c)
{
	if (c == '\n')
		return answer->state == AT_FIELD ? AT_LINE : AT_START;
	return answer->state == AT_LINE && c == '\r' ? AT_LINE_CR : AT_FIELD;
}

enum http_progress
http_answer_take(struct http_answer *answer, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n && answer->state < AT_END; i++) {
		answer->state = answer->state < AT_LINE ? in_status_line(answer, bytes[i])
							: in_fields(answer, bytes[i]);
		if (++answer->n == HTTP_ANSWER_MAX && answer->state < AT_END)
			answer->state = AT_NOTHING;
	}
	if (answer->state == AT_END)
		return HTTP_ANSWERED;
	return answer->state == AT_NOTHING ? HTTP_GARBAGE : HTTP_MORE;
}
