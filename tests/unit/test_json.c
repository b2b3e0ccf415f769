/* SPDX-License-Identifier: MIT */
/* Text as a JSON string. */
#include "json.h"

#include "unit.h"

#define BAD "\\ufffd"

static void
any_text_becomes_a_quoted_string(void **state)
{
	static const struct {
		const char *text, *expected;
	} rows[] = {
		{ "", "\"\"" },
		{ "plain text", "\"plain text\"" },
		{ "say \"hi\"", "\"say \\\"hi\\\"\"" },
		{ "C:\\dir", "\"C:\\\\dir\"" },
		{ "a/b", "\"a/b\"" },
		{ "\n\t\r", "\"\\u000a\\u0009\\u000d\"" },
		{ "\x01\x1f\x7f", "\"\\u0001\\u001f\\u007f\"" },
		{ " ~", "\" ~\"" },
		{ "gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\"" },
		{ "\xe2\x82\xac \xf0\x9f\x90\x8d", "\"\xe2\x82\xac \xf0\x9f\x90\x8d\"" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char out[64];

		expect_equal(rows[i].text, json_string(out, sizeof out, rows[i].text),
		    strlen(rows[i].expected));
		expect_text(rows[i].text, out, rows[i].expected);
	}
}

/* The borders of RFC 3629, section 4, from both sides. */
static void
each_byte_that_is_not_utf8_becomes_a_replacement_character(void **state)
{
	static const struct {
		const char *text, *expected;
	} rows[] = {
		{ "\x80", BAD },
		{ "\xbf", BAD },
		{ "\xc0\x80", BAD BAD },
		{ "\xc1\xbf", BAD BAD },
		{ "\xc2\x80", "\\u0080" }, /* C1 controls: U+009B begins an escape sequence */
		{ "\xc2\x9f\xc2\xa0", "\\u009f\xc2\xa0" },
		{ "\xdf\xbf", "\xdf\xbf" },
		{ "\xe0\x9f\xbf", BAD BAD BAD },
		{ "\xe0\xa0\x80", "\xe0\xa0\x80" },
		{ "\xec\xbf\xbf", "\xec\xbf\xbf" },
		{ "\xed\x9f\xbf", "\xed\x9f\xbf" },
		{ "\xed\xa0\x80", BAD BAD BAD },
		{ "\xee\x80\x80", "\xee\x80\x80" },
		{ "\xef\xbf\xbf", "\xef\xbf\xbf" },
		{ "\xf0\x8f\xbf\xbf", BAD BAD BAD BAD },
		{ "\xf0\x90\x80\x80", "\xf0\x90\x80\x80" },
		{ "\xf3\xbf\xbf\xbf", "\xf3\xbf\xbf\xbf" },
		{ "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf" },
		{ "\xf4\x90\x80\x80", BAD BAD BAD BAD },
		{ "\xf5\x80\x80\x80", BAD BAD BAD BAD },
		{ "\xff", BAD },
		{ "\xc3", BAD },
		{ "\xc3(", BAD "(" },
		{ "\xe2\x82", BAD BAD },
		{ "\xe2(\x82", BAD "(" BAD },
		{ "\xf0\x9f\x90", BAD BAD BAD },
		{ "a\xffz", "a" BAD "z" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char out[64], expected[64];

		(void)snprintf(expected, sizeof expected, "\"%s\"", rows[i].expected);
		(void)json_string(out, sizeof out, rows[i].text);
		expect_text(rows[i].expected, out, expected);
	}
}

static void
what_does_not_fit_is_left_out_at_a_characters_border(void **state)
{
	static const struct {
		const char *text;
		size_t size;
		const char *expected;
	} rows[] = {
		{ "abc", 3, "\"\"" },
		{ "abc", 4, "\"a\"" },
		{ "abc", 5, "\"ab\"" },
		{ "abc", 6, "\"abc\"" },
		{ "", 3, "\"\"" },
		{ "\xe2\x82\xac", 5, "\"\"" },
		{ "\xe2\x82\xac", 6, "\"\xe2\x82\xac\"" },
		{ "a\"", 5, "\"a\"" },
		{ "a\"", 6, "\"a\\\"\"" },
		{ "\n", 8, "\"\"" },
		{ "\n", 9, "\"\\u000a\"" },
		{ "\xff", 8, "\"\"" },
		{ "\xff", 9, "\"" BAD "\"" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		/* Of exactly this size, so that the address sanitizer sees a byte too many. */
		char *out = malloc(rows[i].size);

		assert_non_null(out);
		expect_equal(rows[i].text, json_string(out, rows[i].size, rows[i].text),
		    strlen(rows[i].expected));
		expect_text(rows[i].text, out, rows[i].expected);
		free(out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_text_becomes_a_quoted_string),
		cmocka_unit_test(each_byte_that_is_not_utf8_becomes_a_replacement_character),
		cmocka_unit_test(what_does_not_fit_is_left_out_at_a_characters_border),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
