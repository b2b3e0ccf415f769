/* SPDX-License-Identifier: MIT */
/* What a probe asks, and how an answer begins: pure text. */
#ifndef INITD_HTTP_H
#define INITD_HTTP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
	HTTP_PATH_SIZE = 256,
	HTTP_HOST_SIZE = 256, /* of a Host header's value */
	HTTP_ADDRESSES_MAX = 2,
	HTTP_RANGES_MAX = 8,
	HTTP_EXPECT_SIZE = 128, /* of their text */
	HTTP_ANSWER_MAX = 4096, /* so many bytes may come before the status line is complete */
	HTTP_TARGET_TEXT_SIZE = 416,
};

/* What is asked for where nobody says it. */
#define HTTP_DEFAULT_PATH "/health"

/* What a target looks like, for messages. */
#define HTTP_TARGET_FORMS                                                                          \
	"/path, http://ADDRESS[:PORT][/path], tcp, tcp://ADDRESS:PORT or unix:SOCKET[:/path]"

union http_address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
};

struct http_target {
	bool is_http; /* else connecting is all */
	unsigned n_addresses;
	union http_address addresses[HTTP_ADDRESSES_MAX]; /* tried in this order */
	char path[HTTP_PATH_SIZE];                        /* "" if !is_http */
};

/*
 * Read a target: PATH (/health), http://HOST[:PORT][PATH], tcp, tcp://HOST:PORT, unix:SOCKET or
 * unix:SOCKET:PATH (nginx's form; @name is an abstract socket). NULL is the default path. HOST is
 * a literal IPv4 address, [IPv6] or localhost: there is no DNS. SOCKET is an absolute path. All of it
 * is visible ASCII; where a URL or unix: has no path, it is the default one. Where the text names no host or
 * port, it is `host` (server.host) and `port`. Of the wildcard addresses the loopback is asked:
 * 0.0.0.0 is 127.0.0.1, :: is [::1], then 127.0.0.1; localhost is 127.0.0.1, then [::1]. An
 * http:// URL without port has 80. False, and *target is untouched, if it is no such text.
 */
bool http_target_parse(
    struct http_target *target, const char *text, const char *host, unsigned port);

/*
 * The same text with server.host and server.port written out, so that another process reads the
 * same target from it: /health becomes http://0.0.0.0:8000/health. False if it does not fit.
 */
bool http_target_spell(
    const char *text, const char *host, unsigned port, char buf[HTTP_TARGET_TEXT_SIZE]);

/* One address of it as a URL: http://127.0.0.1:8000/health, tcp://[::1]:80, unix:/run/a.sock:/health. */
const char *http_target_text(
    const struct http_target *target, unsigned address, char buf[HTTP_TARGET_TEXT_SIZE]);

/* The length of an address for connect(2). */
socklen_t http_address_length(const union http_address *address);

/* Status codes that mean healthy. */
struct http_expect {
	unsigned n;
	struct {
		uint16_t first, last;
	} ranges[HTTP_RANGES_MAX];
};

/* "200-299", "200,204,300-308": codes from 100 to 599 and ranges, between them commas, blanks or both; not
   empty, shorter than HTTP_EXPECT_SIZE. */
bool http_expect_parse(const char *text, struct http_expect *out);

bool http_expect_has(const struct http_expect *expect, unsigned status);

/* Can this stand in a Host header? Visible ASCII, shorter than HTTP_HOST_SIZE, not empty. */
bool http_host_is_valid(const char *text);

/*
 * The request for one address: GET, HTTP/1.1, Connection: close. `host` is the Host header's value;
 * NULL: that of the address (localhost for a Unix socket). Returns the length, or 0 if it does not fit.
 */
size_t http_request(
    const struct http_target *target, unsigned address, const char *host, char *buf, size_t size);

/* The reading of an answer, byte by byte; starts zeroed. */
struct http_answer {
	uint16_t state;
	uint16_t status; /* once HTTP_ANSWERED */
	uint32_t n;      /* bytes so far */
};

enum http_progress {
	HTTP_MORE,     /* nothing is known yet */
	HTTP_ANSWERED, /* a final status line is complete; its code is in answer->status */
	HTTP_GARBAGE,  /* this is not HTTP/1, or too long */
};

/*
 * Take some more bytes. Interim answers (1xx) are passed over (RFC 9110, 15.2). The status line must
 * be `HTTP/1.N CODE` with three digits from 100 to 599, then a blank and any reason or nothing, to
 * the LF (RFC 9112, 4); a lone LF ends a line too. After ANSWERED or GARBAGE the result stays.
 */
enum http_progress http_answer_take(struct http_answer *answer, const char *bytes, size_t n);

#endif
