/* SPDX-License-Identifier: MIT */
/* Which commands take a socket as descriptor 3, and what they find in their environment. */
#include "activation.h"

#include "unit.h"

#include <stdlib.h>

enum {
	WORDS_MAX = 8,
};

static void
what_asks_for_descriptor_3(void **state)
{
	static const struct {
		const char *argv[WORDS_MAX];
		bool is;
	} rows[] = {
		{ { "hypercorn", "--bind", "fd://3", "a:app" }, true },
		{ { "hypercorn", "--bind=fd://3", "a:app" }, true },
		{ { "gunicorn", "-bfd://3", "a:app" }, true },
		{ { "daphne", "--fd", "3", "a:app" }, true },
		{ { "uvicorn", "--fd=3", "a:app" }, true },
		{ { "server", "a,fd://3,b" }, true },
		{ { "server", "fd://33" }, false },
		{ { "server", "fd://4" }, false },
		{ { "server", "--fd=33" }, false },
		{ { "server", "--fd", "33" }, false },
		{ { "server", "--fd" }, false },
		{ { "server", "--fds", "3" }, false },
		{ { "server", "3" }, false },
		{ { "server" }, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char row[32];

		(void)snprintf(row, sizeof row, "row %zu", i + 1);
		expect_equal(row, activation_is_asked_for((char *const *)rows[i].argv), rows[i].is);
	}
}

static void
who_takes_one_by_its_environment(void **state)
{
	static const struct {
		const char *argv[WORDS_MAX];
		bool is;
	} rows[] = {
		{ { "uvicorn", "a:app" }, true },
		{ { "/app/.venv/bin/uvicorn", "a:app", "--workers", "2" }, true },
		{ { "gunicorn", "a:app", "-w", "2" }, true },
		{ { "python", "-m", "uvicorn", "a:app" }, true },
		{ { "python3.13", "-u", "-m", "gunicorn", "a:app" }, true },
		{ { "uvicorn", "a:app", "--port", "9000" }, false },
		{ { "uvicorn", "a:app", "--port=9000" }, false },
		{ { "uvicorn", "a:app", "--host", "::" }, false },
		{ { "uvicorn", "a:app", "--uds", "/run/a.sock" }, false },
		{ { "uvicorn", "a:app", "--reload" }, false },
		{ { "gunicorn", "-b", ":9000", "a:app" }, false },
		{ { "gunicorn", "-b:9000", "a:app" }, false },
		{ { "gunicorn", "--bind=:9000", "a:app" }, false },
		{ { "python", "-m", "a.server" }, false },
		{ { "python", "uvicorn" }, false },
		{ { "python", "-m" }, false },
		{ { "python" }, false },
		{ { "daphne", "a:app" }, false },
		{ { "my-uvicorn", "a:app" }, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char row[32];

		(void)snprintf(row, sizeof row, "row %zu", i + 1);
		expect_equal(row, activation_is_known_to((char *const *)rows[i].argv), rows[i].is);
	}
}

static void
what_the_environment_says(void **state)
{
	static const char *const inherited[] = { "PATH=/bin", "A=b", NULL };
	static const char *const expected[] = { "PATH=/bin", "A=b", "LISTEN_FDS=1",
		"LISTEN_FDNAMES=initd", "UVICORN_FD=3" };
	const size_t n = sizeof expected / sizeof expected[0];
	char *pid, **vars = activation_environment((char *const *)inherited, &pid);

	(void)state;
	assert_non_null(vars);
	for (size_t i = 0; i < n; i++)
		assert_string_equal(vars[i], expected[i]);
	assert_ptr_equal(vars[n] + strlen("LISTEN_PID="), pid);
	/* Room for the longest pid, which the child writes. */
	(void)strcpy(pid, "4194304");
	assert_string_equal(vars[n], "LISTEN_PID=4194304");
	assert_null(vars[n + 1]);
	free(vars);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_asks_for_descriptor_3),
		cmocka_unit_test(who_takes_one_by_its_environment),
		cmocka_unit_test(what_the_environment_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
