/* SPDX-License-Identifier: MIT */
/* Lists of patterns: what is one, what it matches, and that the short cuts change nothing. */
#include "patterns.h"

#include "settled.h"
#include "unit.h"

#include <fnmatch.h>

static void
what_a_list_of_patterns_is(void **state)
{
	static const struct {
		const char *text, *defaults;
		int n; /* -1: it is none */
	} rows[] = {
		{ "*.py", "", 1 },
		{ "*.py,*.toml", "", 2 },
		{ " *.py\t,\t *.toml ", "", 2 },
		{ "a b", "", 1 },
		{ "default", "*.py, *.toml", 2 },
		{ "default, *.html", "*.py, *.toml", 3 },
		{ "*.html,default", "*.py, *.toml", 3 },
		{ " default ", "a", 1 },
		{ "default, default", "a, b", 4 },
		{ "Default", "a, b", 1 },
		{ "defaults", "a, b", 1 },
		{ "default*", "a, b", 1 },
		{ "x default", "a, b", 1 },
		{ "", "a", -1 },
		{ "  ", "a", -1 },
		{ ",", "a", -1 },
		{ "a,", "a", -1 },
		{ ",a", "a", -1 },
		{ "a,,b", "a", -1 },
		{ "a, ,b", "a", -1 },
		{ "default,", "a", -1 },
		{ ",default", "a", -1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct patterns patterns;
		bool is_list = patterns_parse(&patterns, rows[i].text, rows[i].defaults);

		expect_equal(rows[i].text, is_list, rows[i].n >= 0);
		if (!is_list)
			continue;
		expect_equal(rows[i].text, (int)patterns.n, rows[i].n);
		patterns_free(&patterns);
	}
}

/* "x0,x1,...": n of them. */
static void
write_list(char *text, size_t size, size_t n)
{
	size_t at = 0;

	for (size_t i = 0; i < n; i++)
		at += (size_t)snprintf(text + at, size - at, "%sx%zu", i > 0 ? "," : "", i);
	assert_true(at < size);
}

static void
a_list_holds_so_many_and_no_more(void **state)
{
	static const struct {
		const char *more;
		size_t n, n_defaults;
		bool expected;
	} rows[] = {
		{ "", PATTERNS_MAX, 1, true },
		{ "", PATTERNS_MAX + 1, 1, false },
		{ "", 10 * PATTERNS_MAX, 1, false },
		{ ",default", PATTERNS_MAX - 2, 2, true },
		{ ",default", PATTERNS_MAX - 1, 2, false },
		{ ",default", 1, PATTERNS_MAX - 1, true },
		{ ",default", 1, PATTERNS_MAX, false },
		{ ",default,default", 1, PATTERNS_MAX / 2, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct patterns patterns;
		char text[8192], defaults[8192], row[64];
		bool is_list;

		write_list(text, sizeof text - 32, rows[i].n);
		(void)strcat(text, rows[i].more);
		write_list(defaults, sizeof defaults, rows[i].n_defaults);
		(void)snprintf(row, sizeof row, "row %zu: %zu%s", i, rows[i].n, rows[i].more);
		is_list = patterns_parse(&patterns, text, defaults);
		expect_equal(row, is_list, rows[i].expected);
		if (!is_list)
			continue;
		/* The first and the last are there. */
		expect_equal(row, patterns_match(&patterns, "x0"), true);
		(void)snprintf(text, sizeof text, "x%zu", rows[i].n - 1);
		expect_equal(row, patterns_match(&patterns, text), true);
		(void)snprintf(text, sizeof text, "x%d", PATTERNS_MAX);
		expect_equal(row, patterns_match(&patterns, text), false);
		patterns_free(&patterns);
	}
}

static void
what_a_list_matches(void **state)
{
	static const struct {
		const char *text, *path;
		bool expected;
	} rows[] = {
		/* without a '/': the name, in whatever directory */
		{ "a.py", "a.py", true },
		{ "a.py", "pkg/sub/a.py", true },
		{ "a.py", "aa.py", false },
		{ "a.py", "a.pyc", false },
		{ "a.py", "a.py/b", false },
		{ "a.py", "A.py", false },
		{ "*.py", "a.py", true },
		{ "*.py", "pkg/a.py", true },
		{ "*.py", ".py", true },
		{ "*.py", "pkg/.py", true },
		{ "*.py", "py", false },
		{ "*.py", "a.pyc", false },
		{ "*.py", "a.py/b.txt", false },
		{ "*.py", "y", false },
		{ "flycheck_*", "flycheck_a.py", true },
		{ "flycheck_*", "pkg/flycheck_", true },
		{ "flycheck_*", "flycheck", false },
		{ "flycheck_*", "xflycheck_a", false },
		{ "flycheck_*", "flycheck_a/b.py", false },
		{ "#*#", "#a.py#", true },
		{ "#*#", "##", true },
		{ "#*#", "#", false },
		{ "#*#", "#a.py", false },
		{ "*", "a", true },
		{ "*", ".hidden", true },
		{ "*", "pkg/a", true },
		{ "?", "a", true },
		{ "?", "ab", false },
		{ "?", "pkg/a", true },
		{ "[ab].py", "b.py", true },
		{ "[!ab].py", "b.py", false },
		{ "[!ab].py", "pkg/c.py", true },
		{ "*.py[co]", "a.pyc", true },
		{ "*.py[co]", "a.py", false },
		{ "a*b*c", "aXbYc", true },
		{ "a*b*c", "aXc", false },
		{ "\\*", "*", true },
		{ "\\*", "a", false },
		{ "*.\\*", "a.*", true },
		{ "*.\\*", "a.b", false },
		{ "**", "a", true },
		{ "*a*", "bab", true },
		{ "*a*", "a/b", false },
		{ "a b", "a b", true },
		{ "[a-c]", "b", true },
		{ "[a-c]", "d", false },
		{ "[!a-c]", "d", true },
		{ "[^a-c]", "b", false },
		{ "[a-]", "-", true },
		{ "[]a]", "]", true },
		{ "[!]a]", "]", false },
		{ "[!]a]", "b", true },
		{ "[\\]]", "]", true },
		{ "[a", "[a", true },
		{ "[a", "a", false },
		{ "x[", "x[", true },
		{ "[*]", "*", true },
		{ "[*]", "a", false },

		/* on bytes, whatever they spell */
		{ "?.py", "\xc3\xa9.py", false },
		{ "??.py", "\xc3\xa9.py", true },
		{ "*\xa9.py", "\xc3\xa9.py", true },
		{ "\xff*", "\xff\xfe", true },
		{ "[\xc0-\xff]", "\xe0", true },
		{ "[\xc0-\xff]", "a", false },
		{ "[a-\xff]", "\xe0", true },
		{ "[a-\xff]", "A", false },
		{ "[a-z]", "\xe0", false },

		/* with a '/': the path below the root, and '*' crosses '/' */
		{ "pkg/a.py", "pkg/a.py", true },
		{ "pkg/a.py", "x/pkg/a.py", false },
		{ "pkg/a.py", "a.py", false },
		{ "pkg/*.py", "pkg/a.py", true },
		{ "pkg/*.py", "pkg/sub/a.py", true },
		{ "pkg/*.py", "pkg.py", false },
		{ "pkg/*", "pkg/sub/a.py", true },
		{ "pkg/*", "pkg", false },
		{ "*/a.py", "x/y/a.py", true },
		{ "*/a.py", "a.py", false },
		{ "*/.x", "pkg/.x", true },
		{ "pkg/?.py", "pkg/a.py", true },
		{ "pkg/?.py", "pkg/ab.py", false },
		{ "templates/*", "templates/a/b.html", true },

		/* any of them */
		{ "*.html, x/*, 4913", "x/y.py", true },
		{ "*.html, x/*, 4913", "4913", true },
		{ "*.html, x/*, 4913", "a/b.html", true },
		{ "*.html, x/*, 4913", "y/x.py", false },

		/* the built-in lists */
		{ patterns_include, "agent.py", true },
		{ patterns_include, "pkg/_native.cpython-313-x86_64-linux-gnu.so", true },
		{ patterns_include, ".env", true },
		{ patterns_include, "x.html", false },
		{ patterns_include, "Makefile", false },
		{ patterns_include, "a.pyi", true },
		{ patterns_include, "pyproject.toml", true },
		{ patterns_include, "a.yaml", true },
		{ patterns_include, "a.yml", true },
		{ patterns_include, "a.json", true },
		{ patterns_include, "a.ini", true },
		{ patterns_include, "a.cfg", true },
		{ patterns_include, "a.conf", true },
		{ patterns_include, "pkg/a.pyc", false },
		{ patterns_include, "a.py~", false },
		{ patterns_ignore, ".git", true },
		{ patterns_ignore, "pkg/.hidden.py", true },
		{ patterns_ignore, "pkg/__pycache__", true },
		{ patterns_ignore, "a.py~", true },
		{ patterns_ignore, "#agent.py#", true },
		{ patterns_ignore, "4913", true },
		{ patterns_ignore, "pkg/.agent.py.swp", true },
		{ patterns_ignore, "my_agent-1.0.dist-info", true },
		{ patterns_ignore, "agent.py", false },
		{ patterns_ignore, "pkg/sub", false },
		{ patterns_ignore, "a.pyc", true },
		{ patterns_ignore, "a.pyo", true },
		{ patterns_ignore, "a.swp", true },
		{ patterns_ignore, "a.swx", true },
		{ patterns_ignore, "a.tmp", true },
		{ patterns_ignore, "a.bak", true },
		{ patterns_ignore, "flycheck_a.py", true },
		{ patterns_ignore, "my_agent.egg-info", true },
		{ patterns_ignore, "web/node_modules", true },
		{ patterns_ignore, "CVS", true },
		{ patterns_ignore, "CVSROOT", false },
		{ patterns_ignore, "49130", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct patterns patterns;
		char row[256];

		(void)snprintf(row, sizeof row, "'%.100s' and '%s'", rows[i].text, rows[i].path);
		expect_equal(row, patterns_parse(&patterns, rows[i].text, ""), true);
		expect_equal(row, patterns_match(&patterns, rows[i].path), rows[i].expected);
		patterns_free(&patterns);
	}
}

static void
the_word_default_stands_for_all_of_the_defaults(void **state)
{
	static const struct {
		const char *text, *path;
		bool expected;
	} rows[] = {
		{ "default", "a.py", true },
		{ "default", "conf/a", true },
		{ "default", "a.html", false },
		{ "default", "default", false },
		{ "default, *.html", "a.html", true },
		{ "default, *.html", "a.py", true },
		{ "*.html, default", "conf/a", true },
		{ "*.html", "a.py", false },
		{ "Default", "a.py", false },
		{ "Default", "Default", true },
		{ "x/default", "a.py", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct patterns patterns;
		char row[256];

		(void)snprintf(row, sizeof row, "'%s' and '%s'", rows[i].text, rows[i].path);
		assert_true(patterns_parse(&patterns, rows[i].text, "*.py, conf/*"));
		expect_equal(row, patterns_match(&patterns, rows[i].path), rows[i].expected);
		patterns_free(&patterns);
	}
}

static void
most_patterns_are_compared_without_a_wildcard(void **state)
{
	static const struct {
		const char *text;
		enum pattern_kind kind;
	} rows[] = {
		{ "4913", PATTERN_NAME },
		{ "__pycache__", PATTERN_NAME },
		{ "*.py", PATTERN_SUFFIX },
		{ "*~", PATTERN_SUFFIX },
		{ ".*", PATTERN_PREFIX },
		{ "flycheck_*", PATTERN_PREFIX },
		{ "#*#", PATTERN_GLOB },
		{ "*a*", PATTERN_GLOB },
		{ "*.py[co]", PATTERN_GLOB },
		{ "a?", PATTERN_GLOB },
		{ "[ab]", PATTERN_GLOB },
		{ "a\\b", PATTERN_GLOB },
		{ "*.p\\y", PATTERN_GLOB },
		{ "a\\*", PATTERN_GLOB },
		{ "a/b", PATTERN_PATH },
		{ "*/b", PATTERN_PATH },
		{ "a/*", PATTERN_PATH },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct patterns patterns;

		assert_true(patterns_parse(&patterns, rows[i].text, ""));
		expect_equal(rows[i].text, patterns.list[0].kind, rows[i].kind);
		if (rows[i].kind == PATTERN_SUFFIX)
			expect_equal(
			    rows[i].text, patterns.list[0].length, strlen(rows[i].text) - 1);
		patterns_free(&patterns);
	}
}

static void
a_list_does_not_need_the_text_it_was_made_from(void **state)
{
	char text[] = "a, *.py, default", defaults[] = "x/*, b*";
	struct patterns patterns;

	(void)state;
	assert_true(patterns_parse(&patterns, text, defaults));
	memset(text, 'z', sizeof text - 1);
	memset(defaults, 'z', sizeof defaults - 1);
	assert_true(patterns_match(&patterns, "a"));
	assert_true(patterns_match(&patterns, "c.py"));
	assert_true(patterns_match(&patterns, "x/y"));
	assert_true(patterns_match(&patterns, "bb"));
	assert_false(patterns_match(&patterns, "z"));
	patterns_free(&patterns);
}

/* The text of that length with this number, in the digits of an alphabet. */
static void
spell(char *text, size_t length, unsigned number, const char *alphabet)
{
	size_t base = strlen(alphabet);

	for (size_t i = 0; i < length; i++, number /= (unsigned)base)
		text[i] = alphabet[number % base];
	text[length] = '\0';
}

static unsigned
power(size_t base, size_t exponent)
{
	unsigned result = 1;

	while (exponent-- > 0)
		result *= (unsigned)base;
	return result;
}

static bool
is_path(const char *text)
{
	return text[0] != '/' && text[strlen(text) - 1] != '/' && !strstr(text, "//");
}

static bool
fnmatch_says(const char *pattern, const char *path)
{
	const char *slash = strrchr(path, '/');

	return fnmatch(pattern, strchr(pattern, '/') || !slash ? path : slash + 1, 0) == 0;
}

static unsigned
compare_with_fnmatch(const char *pattern)
{
	static const char letters[] = "a./*]";
	struct patterns patterns;
	unsigned matches = 0;

	expect_equal(pattern, patterns_parse(&patterns, pattern, ""), true);
	for (size_t length = 1; length <= 3; length++)
		for (unsigned n = 0; n < power(strlen(letters), length); n++) {
			char path[8], row[64];
			bool expected;

			spell(path, length, n, letters);
			if (!is_path(path))
				continue;
			expected = fnmatch_says(pattern, path);
			(void)snprintf(row, sizeof row, "'%s' and '%s'", pattern, path);
			expect_equal(row, patterns_match(&patterns, path), expected);
			matches += expected;
		}
	patterns_free(&patterns);
	return matches;
}

static void
each_short_pattern_matches_what_fnmatch_does(void **state)
{
	static const char letters[] = "a*?./[]\\-!";
	unsigned matches = 0;

	(void)state;
	for (size_t length = 1; length <= 4; length++)
		for (unsigned n = 0; n < power(strlen(letters), length); n++) {
			char pattern[8];

			spell(pattern, length, n, letters);
			if (is_settled(pattern))
				matches += compare_with_fnmatch(pattern);
		}
	assert_true(matches > 5000); /* the oracle is asked, and says yes as well */
}

/* One that tries every way to share a name among its wildcards would take years. */
static void
many_wildcards_take_no_time(void **state)
{
	static const char *const texts[] = { "*a*a*a*a*a*a*a*a*a*a*a*a*b",
		"*a*a*a*a*a*a*a*a*a*a*/b", "*?*?*?*?*?*?*?*?*?*?*?*?*[b]",
		"a*a*a*a*a*a*a*a*a*a*a*a*a*a*c" };
	char name[256];

	(void)state;
	memset(name, 'a', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	(void)alarm(30); /* its signal is the end of this test program */
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct patterns patterns;

		assert_true(patterns_parse(&patterns, texts[i], ""));
		expect_equal(texts[i], patterns_match(&patterns, name), false);
		patterns_free(&patterns);
	}
	(void)alarm(0);
}

static void
a_list_is_valid_whichever_of_the_built_in_ones_default_stands_for(void **state)
{
	static const char *const texts[] = { "*.py", "default", "default, *.html", "a,,b", "", "a,",
		"default,default,default" };

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct patterns patterns;
		bool expected = patterns_parse(&patterns, texts[i], patterns_include);

		if (expected)
			patterns_free(&patterns);
		expect_equal(texts[i], patterns_are_valid(texts[i]), expected);
	}
	for (size_t n = 1; n <= PATTERNS_MAX; n++) {
		const char *const lists[] = { patterns_include, patterns_ignore };
		bool expected = true;
		char text[1024];

		write_list(text, sizeof text - 16, n);
		(void)strcat(text, ",default");
		for (size_t i = 0; i < COUNT(lists); i++) {
			struct patterns patterns;

			if (patterns_parse(&patterns, text, lists[i]))
				patterns_free(&patterns);
			else
				expected = false;
		}
		expect_equal(text, patterns_are_valid(text), expected);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_list_of_patterns_is),
		cmocka_unit_test(a_list_holds_so_many_and_no_more),
		cmocka_unit_test(what_a_list_matches),
		cmocka_unit_test(the_word_default_stands_for_all_of_the_defaults),
		cmocka_unit_test(most_patterns_are_compared_without_a_wildcard),
		cmocka_unit_test(a_list_does_not_need_the_text_it_was_made_from),
		cmocka_unit_test(each_short_pattern_matches_what_fnmatch_does),
		cmocka_unit_test(many_wildcards_take_no_time),
		cmocka_unit_test(a_list_is_valid_whichever_of_the_built_in_ones_default_stands_for),
	};

	return cmocka_run_group_tests_name("patterns", tests, NULL, NULL);
}
