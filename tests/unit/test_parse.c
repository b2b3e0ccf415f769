/* SPDX-License-Identifier: MIT */
/* Text to number, duration, truth, signal, words. */
#include "parse.h"

#include "unit.h"

#include <ctype.h>

/* Expected of what is refused: false, and the result is as it was. */
#define REFUSED     UINT64_C(0xfeedfacecafebeef)
#define REFUSED_INT (-77)

static void
a_number_is_digits_up_to_its_limit(void **state)
{
	static const struct {
		const char *text;
		uint64_t max, expected;
	} rows[] = {
		{ "0", 0, 0 },
		{ "00", 0, 0 },
		{ "1", 0, REFUSED },
		{ "8000", 65535, 8000 },
		{ "008000", 65535, 8000 },
		{ "65535", 65535, 65535 },
		{ "65536", 65535, REFUSED },
		{ "655350", 65535, REFUSED },
		{ "9", 5, REFUSED },
		{ "18446744073709551615", UINT64_MAX, UINT64_MAX },
		{ "18446744073709551616", UINT64_MAX, REFUSED },
		{ "18446744073709551625", UINT64_MAX, REFUSED },
		{ "184467440737095516150", UINT64_MAX, REFUSED },
		{ "18446744073709551614", UINT64_MAX - 1, UINT64_MAX - 1 },
		{ "18446744073709551615", UINT64_MAX - 1, REFUSED },
		{ "99999999999999999999999999999999999999999", UINT64_MAX, REFUSED },
		{ "", 9, REFUSED },
		{ " ", 9, REFUSED },
		{ " 1", 9, REFUSED },
		{ "1 ", 9, REFUSED },
		{ "1\n", 9, REFUSED },
		{ "+1", 9, REFUSED },
		{ "-1", 9, REFUSED },
		{ "-0", 9, REFUSED },
		{ "0x1", 9, REFUSED },
		{ "1e1", 99, REFUSED },
		{ "1.0", 9, REFUSED },
		{ "1,000", 9999, REFUSED },
		{ "one", 9, REFUSED },
		{ "\xd9\xa1", 9, REFUSED },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint64_t out = REFUSED;

		expect_equal(rows[i].text, parse_number(rows[i].text, rows[i].max, &out),
		    rows[i].expected != REFUSED);
		expect_equal(rows[i].text, out, rows[i].expected);
	}
}

static void
a_duration_has_a_unit_unless_it_is_zero(void **state)
{
	static const struct {
		const char *text;
		uint64_t expected;
	} rows[] = {
		{ "0", 0 },
		{ "0s", 0 },
		{ "0ms0h", 0 },
		{ "1ms", 1 },
		{ "500ms", 500 },
		{ "2s", 2000 },
		{ "3m", 180000 },
		{ "4h", 14400000 },
		{ "1m30s", 90000 },
		{ "1h2m3s4ms", 3723004 },
		{ "5ms1s", 1005 },
		{ "1s1s", 2000 },
		{ "007s", 7000 },
		{ "8760h", UINT64_C(31536000000) },
		{ "31536000s", UINT64_C(31536000000) },
		{ "31536000000ms", UINT64_C(31536000000) },
		{ "8759h59m59s1000ms", UINT64_C(31536000000) },
		{ "31536000001ms", REFUSED },
		{ "8760h1ms", REFUSED },
		{ "8761h", REFUSED },
		{ "31536000000s", REFUSED },
		{ "18446744073709551615ms", REFUSED },
		{ "18446744073709551616ms", REFUSED },
		{ "5124095576030432h", REFUSED },
		{ "", REFUSED },
		{ "00", REFUSED },
		{ "5", REFUSED },
		{ "1m30", REFUSED },
		{ "s", REFUSED },
		{ "ms", REFUSED },
		{ "5d", REFUSED },
		{ "5us", REFUSED },
		{ "5sec", REFUSED },
		{ "2S", REFUSED },
		{ "1.5s", REFUSED },
		{ "-1s", REFUSED },
		{ "+1s", REFUSED },
		{ " 1s", REFUSED },
		{ "1 s", REFUSED },
		{ "1s ", REFUSED },
		{ "1m 30s", REFUSED },
		{ "1m,30s", REFUSED },
		{ "forever", REFUSED },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint64_t out = REFUSED;

		expect_equal(
		    rows[i].text, parse_duration(rows[i].text, &out), rows[i].expected != REFUSED);
		expect_equal(rows[i].text, out, rows[i].expected);
	}
}

static void
a_bool_is_one_of_eight_words_in_any_case(void **state)
{
	static const struct {
		const char *text;
		int expected;
	} rows[] = {
		{ "yes", 1 },
		{ "true", 1 },
		{ "on", 1 },
		{ "1", 1 },
		{ "YES", 1 },
		{ "True", 1 },
		{ "oN", 1 },
		{ "no", 0 },
		{ "false", 0 },
		{ "off", 0 },
		{ "0", 0 },
		{ "NO", 0 },
		{ "False", 0 },
		{ "oFF", 0 },
		{ "", REFUSED_INT },
		{ "y", REFUSED_INT },
		{ "n", REFUSED_INT },
		{ "2", REFUSED_INT },
		{ "01", REFUSED_INT },
		{ "yes ", REFUSED_INT },
		{ " no", REFUSED_INT },
		{ "yesno", REFUSED_INT },
		{ "enabled", REFUSED_INT },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		for (int before = 0; before <= 1; before++) {
			bool valid = rows[i].expected != REFUSED_INT, out = before;

			expect_equal(rows[i].text, parse_bool(rows[i].text, &out), valid);
			expect_equal(rows[i].text, out, valid ? rows[i].expected : before);
		}
}

/* By number, from 1 on. */
static const char *const signal_names[] = { "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS",
	"FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT",
	"STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
	"PWR", "SYS" };

static void
expect_signal(const char *text, int expected)
{
	int out = REFUSED_INT;

	expect_equal(text, parse_signal(text, &out), expected != REFUSED_INT);
	expect_equal(text, out, expected);
}

static void
every_signal_is_known_with_and_without_sig_in_any_case(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(signal_names); i++) {
		char name[16], lower[16] = "";

		(void)snprintf(name, sizeof name, "SIG%s", signal_names[i]);
		for (size_t c = 0; name[c]; c++)
			lower[c] = (char)tolower(name[c]);
		expect_signal(name, (int)i + 1);
		expect_signal(name + 3, (int)i + 1);
		expect_signal(lower, (int)i + 1);
		expect_signal(lower + 3, (int)i + 1);
		lower[0] = 'S';
		expect_signal(lower, (int)i + 1);
	}
}

static void
a_signal_is_a_name_or_a_number_from_1_to_64(void **state)
{
	static const struct {
		const char *text;
		int expected;
	} rows[] = {
		{ "1", 1 },
		{ "15", 15 },
		{ "015", 15 },
		{ "32", 32 },
		{ "64", 64 },
		{ "RTMIN", 34 },
		{ "SIGRTMIN", 34 },
		{ "rtmin+0", 34 },
		{ "RTMIN+1", 35 },
		{ "SIGRTMIN+3", 37 },
		{ "sigrtmin+30", 64 },
		{ "RTMAX", 64 },
		{ "RTMAX-0", 64 },
		{ "SIGRTMAX-1", 63 },
		{ "rtmax-30", 34 },
		{ "0", REFUSED_INT },
		{ "65", REFUSED_INT },
		{ "4294967311", REFUSED_INT },
		{ "-1", REFUSED_INT },
		{ "+15", REFUSED_INT },
		{ "15 ", REFUSED_INT },
		{ "", REFUSED_INT },
		{ "SIG", REFUSED_INT },
		{ "SIGSIGTERM", REFUSED_INT },
		{ "SIG15", REFUSED_INT },
		{ "TER", REFUSED_INT },
		{ "TERMS", REFUSED_INT },
		{ " TERM", REFUSED_INT },
		{ "TERM ", REFUSED_INT },
		{ "RTMIN+31", REFUSED_INT },
		{ "RTMIN+65", REFUSED_INT },
		{ "RTMIN-1", REFUSED_INT },
		{ "RTMIN+", REFUSED_INT },
		{ "RTMIN+-1", REFUSED_INT },
		{ "RTMIN3", REFUSED_INT },
		{ "RTMIN+4294967296", REFUSED_INT },
		{ "RTMAX-31", REFUSED_INT },
		{ "RTMAX+1", REFUSED_INT },
		{ "RTMAX-", REFUSED_INT },
		{ "RT", REFUSED_INT },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		expect_signal(rows[i].text, rows[i].expected);
}

static void
the_name_of_a_signal_leads_back_to_its_number(void **state)
{
	char buf[16];

	(void)state;
	for (int signum = 1; signum <= SIGNAL_MAX; signum++) {
		const char *name = signal_name(signum, buf);

		/* 32 and 33 belong to the libc and have no name. */
		expect_signal(name, signum == 32 || signum == 33 ? REFUSED_INT : signum);
	}
}

static void
a_signal_is_shown_as_kill_shows_it(void **state)
{
	static const struct {
		int signum;
		const char *expected;
	} rows[] = {
		{ 1, "SIGHUP" },
		{ 15, "SIGTERM" },
		{ 31, "SIGSYS" },
		{ 32, "signal 32" },
		{ 33, "signal 33" },
		{ 34, "SIGRTMIN" },
		{ 35, "SIGRTMIN+1" },
		{ 64, "SIGRTMIN+30" },
		{ 65, "signal 65" },
		{ 0, "signal 0" },
		{ -1, "signal -1" },
	};
	char name[16];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		expect_text(rows[i].expected, signal_name(rows[i].signum, name), rows[i].expected);
}

/* The members of a set as "0 143". */
static const char *
codes_text(const struct code_set *set, char text[1024])
{
	size_t n = 0;

	text[0] = '\0';
	for (int code = -1; code <= 256; code++)
		if (code_set_has(set, code))
			n += (size_t)sprintf(text + n, "%s%d", n ? " " : "", code);
	return text;
}

static void
codes_are_numbers_up_to_255_between_commas_and_blanks(void **state)
{
	static const struct {
		const char *text, *expected; /* NULL: refused */
	} rows[] = {
		{ "", "" },
		{ " , ,", "" },
		{ "0", "0" },
		{ "0,143", "0 143" },
		{ "143, 0", "0 143" },
		{ "1\t2\n3", "1 2 3" },
		{ " 7 , 8 ", "7 8" },
		{ "5,,6,", "5 6" },
		{ "9,9", "9" },
		{ "63 64 127 128 191 192 255", "63 64 127 128 191 192 255" },
		{ "00255", "255" },
		{ "256", NULL },
		{ "0,256", NULL },
		{ "-1", NULL },
		{ "+1", NULL },
		{ "0x1", NULL },
		{ "1;2", NULL },
		{ "1-3", NULL },
		{ "1a", NULL },
		{ "SIGTERM", NULL },
		{ "18446744073709551616", NULL },
	};
	char text[1024];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct code_set set = { .bits = { UINT64_C(1) << 42 } };

		expect_equal(rows[i].text, parse_codes(rows[i].text, &set), !!rows[i].expected);
		expect_text(rows[i].text, codes_text(&set, text),
		    rows[i].expected ? rows[i].expected : "42");
	}
}

/* The words as "<one><two>". */
static void
words_text(char *const *words, char *text, size_t size)
{
	size_t n = 0;

	for (; *words; words++)
		n += (size_t)snprintf(text + n, size - n, "<%s>", *words);
	assert_true(n < size);
}

static void
words_are_split_as_a_shell_splits_them(void **state)
{
	static const struct {
		const char *text, *expected; /* NULL: refused */
	} rows[] = {
		{ "python", "<python>" },
		{ "python -m agent.server", "<python><-m><agent.server>" },
		{ "  a \t b\r\n", "<a><b>" },
		{ "'a b' \"c d\"", "<a b><c d>" },
		{ "a' 'b\" \"c", "<a b c>" },
		{ "''", "<>" },
		{ "\"\"", "<>" },
		{ "a '' \"\" b", "<a><><><b>" },
		{ "''''", "<>" },
		{ "a\\ b", "<a b>" },
		{ "\\a\\b", "<ab>" },
		{ "\\\\", "<\\>" },
		{ "\\' \\\"", "<'><\">" },
		{ "'\\'", "<\\>" },
		{ "'a\\nb'", "<a\\nb>" },
		{ "'\"'", "<\">" },
		{ "\"'\"", "<'>" },
		{ "\"\\\"\"", "<\">" },
		{ "\"\\\\\"", "<\\>" },
		{ "\"\\$\\`\"", "<$`>" },
		{ "\"\\a\\n\\'\"", "<\\a\\n\\'>" },
		{ "'a'\\''b'", "<a'b>" },
		{ "$HOME ~ *", "<$HOME><~><*>" },
		{ "\"$HOME\" `x` $(y)", "<$HOME><`x`><$(y)>" },
		{ "a # b", "<a><#><b>" },
		{ "a; b && c | d > e &", "<a;><b><&&><c><|><d><>><e><&>" },
		{ "'a\nb'", "<a\nb>" },
		{ "gr\xc3\xbc\xc3\x9f \xff", "<gr\xc3\xbc\xc3\x9f><\xff>" },
		{ "", NULL },
		{ " ", NULL },
		{ " \t\r\n ", NULL },
		{ "'", NULL },
		{ "\"", NULL },
		{ "a 'b", NULL },
		{ "a \"b", NULL },
		{ "'a\"", NULL },
		{ "\"a\\\"", NULL },
		{ "a \\", NULL },
		{ "\\", NULL },
		{ "\"\\", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[64], **words = NULL;

		expect_equal(rows[i].text, parse_words(rows[i].text, &words), !!rows[i].expected);
		expect_equal(rows[i].text, !!words, !!rows[i].expected);
		if (!words)
			continue;
		words_text(words, text, sizeof text);
		expect_text(rows[i].text, text, rows[i].expected);
		free(words);
	}
}

/* Write the words to text, each in single quotes. */
static void
quote_words(char *const *words, char *text)
{
	for (; *words; words++) {
		text = stpcpy(text, " '");
		for (const char *c = *words; *c; c++) {
			if (*c == '\'')
				text = stpcpy(text, "'\\'");
			*text++ = *c;
		}
		text = stpcpy(text, "'");
	}
}

/* Every text of so many characters over those that mean something; number it in base 5. */
static void
nth_text(unsigned n, char *text, size_t length)
{
	for (size_t i = 0; i < length; i++, n /= 5)
		text[i] = "a '\"\\"[n % 5];
	text[length] = '\0';
}

static void
words_that_are_quoted_again_stay_the_same(void **state)
{
	unsigned n_texts = 1;

	(void)state;
	for (size_t length = 0; length <= 6; length++, n_texts *= 5)
		for (unsigned n = 0; n < n_texts; n++) {
			char text[8], quoted[64], before[64], after[64], **words;

			nth_text(n, text, length);
			if (!parse_words(text, &words))
				continue;
			words_text(words, before, sizeof before);
			quote_words(words, quoted);
			free(words);
			assert_true(parse_words(quoted, &words));
			words_text(words, after, sizeof after);
			free(words);
			expect_text(text, after, before);
		}
}

static void
words_may_be_long_and_many(void **state)
{
	enum {
		LENGTH = 1 << 20
	};
	char *text = malloc(LENGTH + 1), **words;
	size_t n = 0;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', LENGTH);
	text[LENGTH] = '\0';
	assert_true(parse_words(text, &words));
	assert_string_equal(words[0], text);
	assert_null(words[1]);
	free(words);

	for (size_t i = 1; i < LENGTH; i += 2)
		text[i] = ' ';
	assert_true(parse_words(text, &words));
	while (words[n])
		assert_string_equal(words[n++], "x");
	assert_int_equal(n, LENGTH / 2);
	free(words);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_number_is_digits_up_to_its_limit),
		cmocka_unit_test(a_duration_has_a_unit_unless_it_is_zero),
		cmocka_unit_test(a_bool_is_one_of_eight_words_in_any_case),
		cmocka_unit_test(every_signal_is_known_with_and_without_sig_in_any_case),
		cmocka_unit_test(a_signal_is_a_name_or_a_number_from_1_to_64),
		cmocka_unit_test(the_name_of_a_signal_leads_back_to_its_number),
		cmocka_unit_test(a_signal_is_shown_as_kill_shows_it),
		cmocka_unit_test(codes_are_numbers_up_to_255_between_commas_and_blanks),
		cmocka_unit_test(words_are_split_as_a_shell_splits_them),
		cmocka_unit_test(words_that_are_quoted_again_stay_the_same),
		cmocka_unit_test(words_may_be_long_and_many),
	};

	return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
