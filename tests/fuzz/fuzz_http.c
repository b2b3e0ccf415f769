/* SPDX-License-Identifier: MIT */
/* Any bytes as an answer, in any parts; any text as a target, a Host header and a list of codes. */
#include "hold.h"
#include "http.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* Cut where its own bytes say, it is the same answer. */
static void
take_whole_and_in_parts(const char *bytes, size_t n)
{
	struct http_answer whole = { 0 }, parts = { 0 };
	enum http_progress expected = http_answer_take(&whole, bytes, n), progress = HTTP_MORE;

	for (size_t at = 0, length; at < n; at += length) {
		length = 1 + (unsigned char)bytes[at] % 8;
		if (length > n - at)
			length = n - at;
		progress = http_answer_take(&parts, bytes + at, length);
	}
	hold(progress == expected);
	if (expected == HTTP_ANSWERED)
		hold(whole.status == parts.status && whole.status >= 200 && whole.status <= 599);
	if (expected != HTTP_MORE)
		hold(http_answer_take(&whole, "HTTP/1.1 200 OK\r\n", 17) == expected);
	else
		hold(n <= HTTP_ANSWER_MAX);
}

/* The text of each address is a target of its own, and its request has as many lines as it should. */
static void
show_and_read_again(const struct http_target *target, const char *host)
{
	for (unsigned i = 0; i < target->n_addresses; i++) {
		const union http_address *address = &target->addresses[i];
		char text[HTTP_TARGET_TEXT_SIZE], request[1024];
		struct http_target again;
		size_t length, lines = 0;

		hold(http_target_parse(&again, http_target_text(target, i, text), "192.0.2.1", 9));
		hold(again.n_addresses == 1 && again.is_http == target->is_http);
		hold(strcmp(again.path, target->path) == 0);
		hold(http_address_length(address) == http_address_length(&again.addresses[0]));
		hold(memcmp(address, &again.addresses[0], http_address_length(address)) == 0);
		length = http_request(target, i, host, request, sizeof request);
		for (size_t c = 0; c < length; c++)
			lines += request[c] == '\n';
		hold(!target->is_http || lines == 6);
	}
}

/* Another process reads the same from it, with another host and port. */
static void
spell_and_read_again(
    const struct http_target *target, const char *text, const char *host, unsigned port)
{
	char spelled[HTTP_TARGET_TEXT_SIZE];
	struct http_target again;

	hold(http_target_spell(text, host, port, spelled));
	hold(http_target_parse(&again, spelled, "192.0.2.1", 9));
	hold(again.is_http == target->is_http && again.n_addresses == target->n_addresses);
	hold(strcmp(again.path, target->path) == 0);
	for (unsigned i = 0; i < target->n_addresses; i++)
		hold(memcmp(&again.addresses[i], &target->addresses[i],
			 http_address_length(&target->addresses[i])) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static const char *const hosts[] = { "0.0.0.0", "::", "127.0.0.1", "2001:db8::1",
		"localhost" };
	const unsigned port = 1 + (unsigned)n % 65535;
	char *text = malloc(n + 1);
	struct http_target target;
	struct http_expect expect;

	hold(text);
	memcpy(text, bytes, n);
	text[n] = '\0';
	take_whole_and_in_parts(text, n);
	if (http_target_parse(&target, text, hosts[n % 5], port)) {
		show_and_read_again(&target, NULL);
		spell_and_read_again(&target, text, hosts[n % 5], port);
	}
	if (http_host_is_valid(text) && http_target_parse(&target, NULL, hosts[n % 5], port))
		show_and_read_again(&target, text);
	if (http_expect_parse(text, &expect))
		hold(expect.n >= 1 && expect.n <= HTTP_RANGES_MAX &&
		     !http_expect_has(&expect, 99) && !http_expect_has(&expect, 600) &&
		     http_expect_has(&expect, expect.ranges[0].first));
	free(text);
	return 0;
}
