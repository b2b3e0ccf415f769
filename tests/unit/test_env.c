/* SPDX-License-Identifier: MIT */
/* Inherited environment + what initd knows = the child's environment. */
#include "env.h"

#include "unit.h"

enum {
	SELF = 7,
};

/* Said of an image that sets nothing. */
static const struct env_spec plain = {
	.agent_dir = "/app/src",
	.host = "0.0.0.0",
	.port = 8000,
	.user = "app",
	.home = "/home/app",
	.self = SELF,
};

static void
build(struct env *env, const char *const *inherited, const struct env_spec *spec)
{
	struct error err = { .msg = "" };

	if (env_build(env, (char *const *)inherited, spec, &err) < 0)
		fail_msg("%s", err.msg);
}

static bool
is_named(const char *var, const char *name)
{
	return strncmp(var, name, strlen(name)) == 0 && var[strlen(name)] == '=';
}

/* The value of a variable that is there once or not at all. */
static const char *
only(const struct env *env, const char *name)
{
	const char *value = NULL;

	for (char *const *var = env->vars; *var; var++)
		if (is_named(*var, name)) {
			assert_null(value);
			value = *var + strlen(name) + 1;
		}
	return value;
}

static void
a_variable_is_found_by_its_whole_name(void **state)
{
	static char vars[][16] = { "HOSTNAME=a", "XHOST=b", "HOST", "HOST=c", "HOST=d",
		"EMPTY=", "PAIR=e=f", "=g" };
	char *environment[COUNT(vars) + 1] = { NULL };
	static const struct {
		const char *name, *expected;
	} rows[] = {
		{ "HOST", "c" },
		{ "HOSTNAME", "a" },
		{ "EMPTY", "" },
		{ "PAIR", "e=f" },
		{ "HOS", NULL },
		{ "host", NULL },
		{ "OTHER", NULL },
	};

	(void)state;
	expect_text("nothing", env_get(environment, "HOST"), NULL);
	for (size_t i = 0; i < COUNT(vars); i++)
		environment[i] = vars[i];
	for (size_t i = 0; i < COUNT(rows); i++)
		expect_text(rows[i].name, env_get(environment, rows[i].name), rows[i].expected);
}

static void
what_initd_knows_is_set_once_whatever_was_there(void **state)
{
	static const char *const inherited[][4] = {
		{ NULL },
		{ "AGENT_DIR=/", "HOST=::1", "PORT=1" },
		{ "AGENT_DIR=", "HOST=", "PORT=" },
		{ "USER=root", "LOGNAME=root", "HOME=/root" },
		{ "PORT=1", "PORT=2", "PORT=3" },
		{ "LOGNAME=a", "USER=b", "LOGNAME=c" },
	};
	static const struct {
		const char *name, *expected;
	} rows[] = {
		{ "AGENT_DIR", "/app/src" },
		{ "HOST", "0.0.0.0" },
		{ "PORT", "8000" },
		{ "USER", "app" },
		{ "LOGNAME", "app" },
		{ "HOME", "/home/app" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(inherited); i++) {
		struct env env;

		build(&env, inherited[i], &plain);
		for (size_t j = 0; j < COUNT(rows); j++)
			expect_text(rows[j].name, only(&env, rows[j].name), rows[j].expected);
		env_free(&env);
	}
}

static void
the_largest_port_is_written_out(void **state)
{
	static const char *const nothing[] = { NULL };
	struct env_spec spec = plain;
	struct env env;

	(void)state;
	spec.port = 65535;
	build(&env, nothing, &spec);
	assert_string_equal(only(&env, "PORT"), "65535");
	env_free(&env);
}

static void
what_initd_does_not_know_stays_in_its_order(void **state)
{
	static const char *const inherited[] = { "Z=1", "HOST=x", "A=2", "PORT=1", "HOSTNAME=h",
		"HOST=y", "A=3", "no equals sign", "USER=root", "=", "M=", NULL };
	static const char *const expected[] = { "Z=1", "A=2", "HOSTNAME=h", "A=3", "no equals sign",
		"=", "M=" };
	static const char *const ours[] = { "AGENT_DIR", "HOST", "PORT", "HOME", "USER",
		"LOGNAME" };
	struct env env;
	size_t n = 0, n_ours = 0;

	(void)state;
	build(&env, inherited, &plain);
	for (char *const *var = env.vars; *var; var++) {
		bool is_ours = false;

		for (size_t i = 0; i < COUNT(ours); i++)
			is_ours = is_ours || is_named(*var, ours[i]);
		if (is_ours) {
			n_ours++;
			continue;
		}
		assert_true(n < COUNT(expected));
		assert_string_equal(*var, expected[n++]);
	}
	assert_int_equal(n, COUNT(expected));
	assert_int_equal(n_ours, COUNT(ours));
	env_free(&env);
}

#define USUAL_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static void
a_venv_is_set_and_its_programs_are_found(void **state)
{
	static const struct {
		const char *inherited[3];
		const char *found;
		const char *venv, *path; /* expected */
	} rows[] = {
		{ { "PATH=/usr/bin" }, NULL, NULL, "/usr/bin" },
		{ { NULL }, NULL, NULL, NULL },
		{ { "PATH=/usr/bin" }, "/app/.venv", "/app/.venv", "/app/.venv/bin:/usr/bin" },
		{ { NULL }, "/app/.venv", "/app/.venv", "/app/.venv/bin:" USUAL_PATH },
		{ { "PATH=/app/.venv/bin:/bin" }, "/app/.venv", "/app/.venv",
		    "/app/.venv/bin:/bin" },
		{ { "PATH=/bin", "VIRTUAL_ENV=/opt/v" }, NULL, "/opt/v", "/opt/v/bin:/bin" },
		{ { "PATH=/bin", "VIRTUAL_ENV=/opt/v" }, "/app/.venv", "/opt/v",
		    "/opt/v/bin:/bin" },
		{ { "VIRTUAL_ENV=/opt/v" }, NULL, "/opt/v", "/opt/v/bin:" USUAL_PATH },
		{ { "PATH=/opt/v/bin", "VIRTUAL_ENV=/opt/v" }, NULL, "/opt/v", "/opt/v/bin" },
		{ { "PATH=/opt/v/bin:/bin", "VIRTUAL_ENV=/opt/v" }, NULL, "/opt/v",
		    "/opt/v/bin:/bin" },
		{ { "PATH=/bin:/opt/v/bin", "VIRTUAL_ENV=/opt/v" }, NULL, "/opt/v",
		    "/bin:/opt/v/bin" },
		{ { "PATH=/a:/opt/v/bin:/b", "VIRTUAL_ENV=/opt/v" }, NULL, "/opt/v",
		    "/a:/opt/v/bin:/b" },
		{ { "PATH=/opt/v/bin2:/x/opt/v/bin", "VIRTUAL_ENV=/opt/v" }, NULL, "/opt/v",
		    "/opt/v/bin:/opt/v/bin2:/x/opt/v/bin" },
		{ { "PATH=/opt/v/bin/python", "VIRTUAL_ENV=/opt/v" }, NULL, "/opt/v",
		    "/opt/v/bin:/opt/v/bin/python" },
		{ { "PATH=/bin", "VIRTUAL_ENV=" }, "/app/.venv", "", "/bin" },
		{ { "PATH=/bin", "VIRTUAL_ENV=" }, NULL, "", "/bin" },
		{ { "VIRTUAL_ENV=" }, "/app/.venv", "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct env_spec spec = plain;
		struct env env;

		spec.venv = rows[i].found;
		build(&env, rows[i].inherited, &spec);
		expect_text(shown(rows[i].inherited[0]), only(&env, "VIRTUAL_ENV"), rows[i].venv);
		expect_text(shown(rows[i].inherited[0]), only(&env, "PATH"), rows[i].path);
		env_free(&env);
	}
}

/* Not even behind the system's python. */
static void
the_programs_of_a_venv_that_was_found_come_first(void **state)
{
	static const char *const inherited[] = { "PATH=/usr/bin:/app/.venv/bin", NULL };
	struct env_spec spec = plain;
	struct env env;
	char first[32];

	(void)state;
	spec.venv = "/app/.venv";
	build(&env, inherited, &spec);
	(void)snprintf(first, sizeof first, "%s", only(&env, "PATH"));
	first[strcspn(first, ":")] = '\0';
	env_free(&env);
	assert_string_equal(first, "/app/.venv/bin");
}

static void
home_is_kept_unless_it_is_missing_or_roots(void **state)
{
	static const struct {
		const char *inherited[2];
		const char *home, *expected;
	} rows[] = {
		{ { NULL }, "/home/app", "/home/app" },
		{ { "HOME=" }, "/home/app", "/home/app" },
		{ { "HOME=/root" }, "/home/app", "/home/app" },
		{ { "HOME=/root" }, "/tmp", "/tmp" },
		{ { "HOME=/root" }, "/root", "/root" },
		{ { "HOME=/data" }, "/home/app", "/data" },
		{ { "HOME=/" }, "/home/app", "/" },
		{ { "HOME=/root/app" }, "/home/app", "/root/app" },
		{ { "HOME=/rootless" }, "/home/app", "/rootless" },
		{ { "HOME=/data" }, NULL, "/data" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct env_spec spec = plain;
		struct env env;

		spec.home = rows[i].home;
		build(&env, rows[i].inherited, &spec);
		expect_text(shown(rows[i].inherited[0]), only(&env, "HOME"), rows[i].expected);
		env_free(&env);
	}
}

static void
a_default_is_set_unless_something_is_set_already(void **state)
{
	static const struct env_default defaults[] = {
		{ "PYTHONUNBUFFERED", "1" },
		{ "EMPTY", "" },
		{ "USER", "default" },
		{ "PORT", "1" },
	};
	static const struct {
		const char *inherited[2];
		const char *name, *expected;
	} rows[] = {
		{ { NULL }, "PYTHONUNBUFFERED", "1" },
		{ { "PYTHONUNBUFFERED=0" }, "PYTHONUNBUFFERED", "0" },
		{ { "PYTHONUNBUFFERED=" }, "PYTHONUNBUFFERED", "" },
		{ { "PYTHONUNBUFFEREDX=0" }, "PYTHONUNBUFFERED", "1" },
		{ { "PYTHONUNBUFFERED" }, "PYTHONUNBUFFERED", "1" },
		{ { NULL }, "EMPTY", "" },
		{ { "EMPTY=full" }, "EMPTY", "full" },
		{ { NULL }, "USER", "app" },
		{ { "PORT=2" }, "PORT", "8000" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct env_spec spec = plain;
		struct env env;

		spec.defaults = defaults;
		spec.n_defaults = COUNT(defaults);
		build(&env, rows[i].inherited, &spec);
		expect_text(rows[i].name, only(&env, rows[i].name), rows[i].expected);
		env_free(&env);
	}
}

static void
a_listen_pid_of_initd_is_left_for_the_child_to_write(void **state)
{
	static const struct {
		const char *inherited[3];
		const char *expected; /* NULL: the child's */
	} rows[] = {
		{ { "LISTEN_PID=7" }, NULL },
		{ { "LISTEN_PID=7", "LISTEN_PID=8" }, NULL },
		{ { "LISTEN_PID=8" }, "8" },
		{ { "LISTEN_PID=77" }, "77" },
		{ { "LISTEN_PID=" }, "" },
		{ { "LISTEN_PID=+7" }, "+7" },
	};
	static const char digits[] = "4194304000";

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *label = rows[i].inherited[0];
		struct env env;

		build(&env, rows[i].inherited, &plain);
		expect_equal(label, !!env.listen_pid, !rows[i].expected);
		if (env.listen_pid)
			memcpy(env.listen_pid, digits, sizeof digits);
		expect_text(
		    label, only(&env, "LISTEN_PID"), rows[i].expected ? rows[i].expected : digits);
		env_free(&env);
	}
}

static void
no_listen_pid_is_made_where_there_was_none(void **state)
{
	static const char *const inherited[] = { "LISTEN_FDS=1", "LISTEN_FDNAMES=http", NULL };
	struct env env;

	(void)state;
	build(&env, inherited, &plain);
	assert_null(env.listen_pid);
	assert_null(only(&env, "LISTEN_PID"));
	assert_string_equal(only(&env, "LISTEN_FDS"), "1");
	env_free(&env);
}

/* Everything new at once: the address sanitizer sees a slot too few. */
static void
there_is_room_for_every_variable(void **state)
{
	enum {
		N = 1000,
		LONG = 1 << 17
	};
	static char names[N][8], inherited_vars[N][8], venv[LONG];
	static const char *inherited[N + 2] = { "LISTEN_PID=7" };
	static struct env_default defaults[N];
	struct env_spec spec = plain;
	struct env env;
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < N; i++) {
		(void)sprintf(names[i], "D%zu", i);
		defaults[i] = (struct env_default){ names[i], "x" };
		(void)sprintf(inherited_vars[i], "I%zu=", i);
		inherited[i + 1] = inherited_vars[i];
	}
	memset(venv, '/', sizeof venv - 1);
	spec.venv = venv;
	spec.defaults = defaults;
	spec.n_defaults = N;
	build(&env, inherited, &spec);
	while (env.vars[n])
		n++;
	assert_int_equal(n, N + N + strlen("AHPVPHUL") + 1);
	assert_int_equal(strlen(only(&env, "PATH")), LONG - 1 + strlen("/bin:" USUAL_PATH));
	env_free(&env);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_variable_is_found_by_its_whole_name),
		cmocka_unit_test(what_initd_knows_is_set_once_whatever_was_there),
		cmocka_unit_test(the_largest_port_is_written_out),
		cmocka_unit_test(what_initd_does_not_know_stays_in_its_order),
		cmocka_unit_test(a_venv_is_set_and_its_programs_are_found),
		cmocka_unit_test(the_programs_of_a_venv_that_was_found_come_first),
		cmocka_unit_test(home_is_kept_unless_it_is_missing_or_roots),
		cmocka_unit_test(a_default_is_set_unless_something_is_set_already),
		cmocka_unit_test(a_listen_pid_of_initd_is_left_for_the_child_to_write),
		cmocka_unit_test(no_listen_pid_is_made_where_there_was_none),
		cmocka_unit_test(there_is_room_for_every_variable),
	};

	return cmocka_run_group_tests_name("env", tests, NULL, NULL);
}
