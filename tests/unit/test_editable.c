/* SPDX-License-Identifier: MIT */
/* Editable installs as installers and build backends write them, and what only looks like one. */
#include "editable.h"

#include "unit.h"

#include <limits.h>

enum {
	FILES_MAX = 4,
	TEXT_MAX = 16 * 1024,
};

/* Where "@" stands for in the tables: the absolute path of "tree". */
static char root[PATH_MAX];

static void
put_root(char *out, size_t size, const char *text)
{
	size_t at = 0;

	for (; *text; text++) {
		const char one[2] = { *text, '\0' };
		const char *part = *text == '@' ? root : one;

		assert_true(at + strlen(part) < size);
		at += (size_t)sprintf(out + at, "%s", part);
	}
	out[at] = '\0';
}

static void
make_parents(const char *path)
{
	char parent[PATH_MAX];

	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		(void)snprintf(parent, sizeof parent, "%.*s", (int)(slash - path), path);
		(void)mkdir(parent, 0700); /* it may be there */
	}
}

/* A file with this text; "a/" is a directory, and "a ->" a link to the text. */
struct entry {
	const char *path, *text;
};

static void
make_entry(const struct entry *entry)
{
	static char text[TEXT_MAX];
	char path[PATH_MAX];
	char *arrow;

	(void)snprintf(path, sizeof path, "tree/%s", entry->path);
	arrow = strstr(path, " ->");
	make_parents(path);
	put_root(text, sizeof text, entry->text ? entry->text : "");
	if (arrow) {
		*arrow = '\0';
		assert_int_equal(symlink(text, path), 0);
	} else if (path[strlen(path) - 1] != '/') {
		write_file(path, text);
	}
}

/* The folders of the usual container, and these. */
static void
make_tree(const struct entry entries[FILES_MAX])
{
	static const struct entry usual[] = { { "app/src/pkg/__init__.py", "" },
		{ "app/src2/", NULL }, { "app/lib/", NULL }, { "application/", NULL },
		{ "v/bin/", NULL } };
	char folder[PATH_MAX - 16];

	if (access("tree", F_OK) == 0)
		assert_int_equal(remove_tree("tree"), 0);
	assert_non_null(getcwd(folder, sizeof folder));
	(void)snprintf(root, sizeof root, "%s/tree", folder);
	for (size_t i = 0; i < COUNT(usual); i++)
		make_entry(&usual[i]);
	for (size_t i = 0; i < FILES_MAX && entries[i].path; i++)
		make_entry(&entries[i]);
}

#define SITE "v/lib/python3.13/site-packages/"

struct row {
	const char *name;
	struct entry entries[FILES_MAX];
	const char *file, *path; /* that are told; NULL: none is found */
	const char *agent_dir;   /* "@/app/src" unless given */
	const char *prefix;      /* "@/v" unless given */
};

/* "FILE names PATH", whatever directory comes before FILE. */
static void
expect_told(const struct row *row, const char *how)
{
	char path[PATH_MAX], tail[PATH_MAX + 256];

	put_root(path, sizeof path, row->path);
	(void)snprintf(tail, sizeof tail, "%s names %s", row->file, path);
	if (strlen(how) < strlen(tail) || strcmp(how + strlen(how) - strlen(tail), tail) != 0)
		fail_msg("%s: how is '%s', expected '%s'", row->name, how, tail);
}

static void
check(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct row *row = &rows[i];
		char agent_dir[PATH_MAX], prefix[PATH_MAX], how[2 * PATH_MAX] = "";

		make_tree(row->entries);
		put_root(
		    agent_dir, sizeof agent_dir, row->agent_dir ? row->agent_dir : "@/app/src");
		put_root(prefix, sizeof prefix, row->prefix ? row->prefix : "@/v");
		if (editable_find(prefix, agent_dir, how, sizeof how) != (row->file != NULL))
			fail_msg("%s: '%s', expected '%s'", row->name, how, shown(row->file));
		if (row->file)
			expect_told(row, how);
	}
}

static void
each_backend_is_recognised_by_what_it_writes(void **state)
{
	static const struct row rows[] = {
		{ "setuptools, src layout",
		    { { SITE "__editable__.my_agent-1.2.3.pth", "@/app/src\n" } },
		    "__editable__.my_agent-1.2.3.pth", "@/app/src", NULL, NULL },
		{ "setuptools, flat layout",
		    { { SITE "__editable__.my_agent-1.2.3.pth",
			  "import __editable___my_agent_1_2_3_finder; "
			  "__editable___my_agent_1_2_3_finder.install()" },
			{ SITE "__editable___my_agent_1_2_3_finder.py",
			    "import sys\n\nMAPPING: dict[str, str] = {'pkg': '@/app/src/pkg'}\n"
			    "NAMESPACES: dict[str, list[str]] = {}\nPATH_PLACEHOLDER = "
			    "'__editable__.my_agent-1.2.3.finder' + \".__path_hook__\"\n" } },
		    "__editable___my_agent_1_2_3_finder.py", "@/app/src/pkg", NULL, NULL },
		{ "setuptools, a namespace package",
		    { { SITE "__editable___my_agent_1_2_3_finder.py",
			"MAPPING: dict[str, str] = {}\n"
			"NAMESPACES: dict[str, list[str]] = {'pkg': ['@/app/src/pkg']}\n" } },
		    "__editable___my_agent_1_2_3_finder.py", "@/app/src/pkg", NULL, NULL },
		{ "setuptools, not the first package of it",
		    { { SITE "__editable___my_agent_1_2_3_finder.py",
			"MAPPING = {'lib': '@/app/lib', 'pkg': '@/app/src/pkg'}\n" } },
		    "__editable___my_agent_1_2_3_finder.py", "@/app/src/pkg", NULL, NULL },
		{ "setuptools, editable_mode=compat",
		    { { SITE "__editable__.my_agent-1.2.3.pth", "@/app\n" } },
		    "__editable__.my_agent-1.2.3.pth", "@/app", NULL, NULL },
		{ "setup.py develop", { { SITE "my-agent.egg-link", "@/app/src\n../" } },
		    "my-agent.egg-link", "@/app/src", NULL, NULL },
		{ "setup.py develop, its other file",
		    { { SITE "easy-install.pth", "@/app/lib\n@/app/src\n" } }, "easy-install.pth",
		    "@/app/src", NULL, NULL },
		{ "hatchling", { { SITE "_editable_impl_my_agent.pth", "@/app/src" } },
		    "_editable_impl_my_agent.pth", "@/app/src", NULL, NULL },
		{ "hatchling, dev-mode-dirs",
		    { { SITE "_my_agent.pth", "@/app/lib\n@/app/src\n@/application\n" } },
		    "_my_agent.pth", "@/app/src", NULL, NULL },
		{ "hatchling, dev-mode-exact",
		    { { SITE "_editable_impl_my_agent.pth", "import _editable_impl_my_agent" },
			{ SITE "_editable_impl_my_agent.py",
			    "from editables.redirector import RedirectingFinder as F\nF.install()\n"
			    "F.map_module('pkg', '@/app/src/pkg/__init__.py')" } },
		    "_editable_impl_my_agent.py", "@/app/src/pkg/__init__.py", NULL, NULL },
		{ "uv_build", { { SITE "my_agent.pth", "@/app/src" } }, "my_agent.pth", "@/app/src",
		    NULL, NULL },
		{ "uv_build, flat layout", { { SITE "my_agent.pth", "@/app/src/" } },
		    "my_agent.pth", "@/app/src/", NULL, NULL },
		{ "pip's record",
		    { { SITE "my_agent-1.2.3.dist-info/direct_url.json",
			"{\"dir_info\": {\"editable\": true}, \"url\": \"file://@/app\"}" } },
		    "direct_url.json", "@/app", NULL, NULL },
		{ "uv's record",
		    { { SITE "my_agent-1.2.3.dist-info/direct_url.json",
			"{\"url\":\"file://@/app\",\"dir_info\":{\"editable\":true}}" } },
		    "direct_url.json", "@/app", NULL, NULL },
		{ "a record in several lines",
		    { { SITE "my_agent-1.2.3.dist-info/direct_url.json",
			"{\n  \"url\" : \"file://@/app/src\" ,\n  \"dir_info\" : {\n"
			"    \"editable\" : true\n  }\n}\n" } },
		    "direct_url.json", "@/app/src", NULL, NULL },
	};

	(void)state;
	check(rows, COUNT(rows));
}

static void
a_path_counts_if_it_is_agent_dir_in_it_or_above_it(void **state)
{
	static const struct row rows[] = {
		{ "in it", { { SITE "a.pth", "@/app/src/pkg\n" } }, "a.pth", "@/app/src/pkg", NULL,
		    NULL },
		{ "far above it", { { SITE "a.pth", "@\n" } }, "a.pth", "@", NULL, NULL },
		{ "the root above it", { { SITE "a.pth", "/\n" } }, NULL, NULL, NULL, NULL },
		{ "the root above it, by a record",
		    { { SITE "a.dist-info/direct_url.json",
			"{\"dir_info\": {\"editable\": true}, \"url\": \"file:///\"}" } },
		    NULL, NULL, NULL, NULL },
		{ "the root above it, spelled otherwise",
		    { { SITE "a.pth", "@/../../../../../..\n" } }, NULL, NULL, NULL, NULL },
		{ "beside it", { { SITE "a.pth", "@/app/lib\n" } }, NULL, NULL, NULL, NULL },
		{ "beside it, with its name at the start", { { SITE "a.pth", "@/app/src2\n" } },
		    NULL, NULL, NULL, NULL },
		{ "beside what is above it, with its name at the start",
		    { { SITE "a.pth", "@/application\n" } }, NULL, NULL, NULL, NULL },
		{ "its name is the start of agent_dir's", { { SITE "a.pth", "@/app/src\n" } }, NULL,
		    NULL, "@/app/src2", NULL },
		{ "agent_dir does not exist", { { SITE "a.pth", "@/app/src\n" } }, NULL, NULL,
		    "@/app/missing", NULL },
		{ "a finder's file beside it",
		    { { SITE "__editable___a_finder.py", "MAPPING = {'a': '@/app/src2/a'}\n" } },
		    NULL, NULL, NULL, NULL },
		{ "agent_dir with a slash at its end", { { SITE "a.pth", "@/app/src\n" } }, "a.pth",
		    "@/app/src", "@/app/src/", NULL },
		{ "prefix with a slash at its end", { { SITE "a.pth", "@/app/src\n" } }, "a.pth",
		    "@/app/src", NULL, "@/v/" },
	};

	(void)state;
	check(rows, COUNT(rows));
}

static void
what_is_installed_is_no_source_but_sources_may_be_anywhere_else(void **state)
{
	static const struct row rows[] = {
		{ "the venv is in agent_dir, and a file names what is installed there",
		    { { "app/.venv/lib/python3.13/site-packages/win32/__init__.py", "" },
			{ "app/.venv/lib/python3.13/site-packages/a.pth",
			    "@/app/.venv/lib/python3.13/site-packages/win32\n" } },
		    NULL, NULL, "@/app", "@/app/.venv" },
		{ "the venv is in agent_dir, and a file names agent_dir",
		    { { "app/.venv/lib/python3.13/site-packages/a.pth", "@/app\n" } }, "a.pth",
		    "@/app", "@/app", "@/app/.venv" },
		{ "agent_dir is in the venv",
		    { { "app/lib/python3.13/site-packages/a.pth", "@/app/src\n" } }, "a.pth",
		    "@/app/src", NULL, "@/app" },
		{ "agent_dir is in the prefix of the system's Python",
		    { { "app/lib/python3/dist-packages/a.dist-info/direct_url.json",
			"{\"dir_info\": {\"editable\": true}, \"url\": \"file://@/app/src\"}" } },
		    "direct_url.json", "@/app/src", NULL, "@/app" },
	};

	(void)state;
	check(rows, COUNT(rows));
}

static void
links_are_resolved_on_both_sides(void **state)
{
	static const struct row rows[] = {
		{ "the path is a link", { { "link ->", "app/src" }, { SITE "a.pth", "@/link\n" } },
		    "a.pth", "@/link", NULL, NULL },
		{ "the path goes through a link",
		    { { "link ->", "@/app" }, { SITE "a.pth", "@/link/src/pkg\n" } }, "a.pth",
		    "@/link/src/pkg", NULL, NULL },
		{ "agent_dir is a link",
		    { { "link ->", "app/src" }, { SITE "a.pth", "@/app/src\n" } }, "a.pth",
		    "@/app/src", "@/link", NULL },
		{ "the record names a link",
		    { { "link ->", "app" },
			{ SITE "a.dist-info/direct_url.json",
			    "{\"dir_info\": {\"editable\": true}, \"url\": \"file://@/link\"}" } },
		    "direct_url.json", "@/link", NULL, NULL },
		{ "the path looks as if it were in it, and is elsewhere",
		    { { "app/src/link ->", "../lib" }, { SITE "a.pth", "@/app/src/link\n" } }, NULL,
		    NULL, NULL, NULL },
		{ "the prefix is a link", { { "w ->", "v" }, { SITE "a.pth", "@/app/src\n" } },
		    "a.pth", "@/app/src", NULL, "@/w" },
		{ "site-packages is a link",
		    { { "v/lib/python3.13/site-packages ->", "../../../packages" },
			{ "packages/a.pth", "@/app/src\n" } },
		    "a.pth", "@/app/src", NULL, NULL },
	};

	(void)state;
	check(rows, COUNT(rows));
}

static void
a_record_must_say_editable(void **state)
{
	static const struct row rows[] = {
		{ "uv sync --no-editable",
		    { { SITE "a.dist-info/direct_url.json",
			"{\"url\":\"file://@/app\",\"dir_info\":{\"editable\":false}}" } },
		    NULL, NULL, NULL, NULL },
		{ "pip install .",
		    { { SITE "a.dist-info/direct_url.json",
			"{\"dir_info\": {}, \"url\": \"file://@/app\"}" } },
		    NULL, NULL, NULL, NULL },
		{ "no dir_info",
		    { { SITE "a.dist-info/direct_url.json", "{\"url\": \"file://@/app\"}" } }, NULL,
		    NULL, NULL, NULL },
		{ "an archive",
		    { { SITE "a.dist-info/direct_url.json",
			"{\"url\": \"file://@/app/a.tar.gz\", \"archive_info\": {\"hash\": \"x\"}}" } },
		    NULL, NULL, NULL, NULL },
		{ "a repository",
		    { { SITE "a.dist-info/direct_url.json",
			"{\"url\": \"https://example.com@/app\", \"dir_info\": {\"editable\": true}}" } },
		    NULL, NULL, NULL, NULL },
		{ "by another way",
		    { { SITE "a.dist-info/direct_url.json",
			"{\"url\": \"ssh+file://@/app\", \"dir_info\": {\"editable\": true}}" } },
		    NULL, NULL, NULL, NULL },
		{ "another project",
		    { { SITE "a.dist-info/direct_url.json",
			"{\"url\": \"file://@/app/lib\", \"dir_info\": {\"editable\": true}}" } },
		    NULL, NULL, NULL, NULL },
		{ "empty", { { SITE "a.dist-info/direct_url.json", "" } }, NULL, NULL, NULL, NULL },
		{ "cut",
		    { { SITE "a.dist-info/direct_url.json",
			"{\"dir_info\": {\"editable\": true}, \"url\": \"file://@/app/src" } },
		    NULL, NULL, NULL, NULL },
		{ "no text",
		    { { SITE "a.dist-info/direct_url.json",
			"{\"dir_info\": {\"editable\": true}, \"url\": null}" } },
		    NULL, NULL, NULL, NULL },
		{ "in another directory",
		    { { SITE "a/direct_url.json",
			"{\"dir_info\": {\"editable\": true}, \"url\": \"file://@/app\"}" } },
		    NULL, NULL, NULL, NULL },
		{ "by another name",
		    { { SITE "a.dist-info/uv_build.json",
			"{\"dir_info\": {\"editable\": true}, \"url\": \"file://@/app\"}" } },
		    NULL, NULL, NULL, NULL },
		{ "a directory of that name", { { SITE "a.dist-info/direct_url.json/", NULL } },
		    NULL, NULL, NULL, NULL },
		{ "one of many",
		    { { SITE "a.dist-info/direct_url.json",
			  "{\"dir_info\": {}, \"url\": \"file://@/app\"}" },
			{ SITE "b.dist-info/direct_url.json",
			    "{\"dir_info\": {\"editable\": true}, \"url\": \"file://@/app/lib\"}" },
			{ SITE "c.dist-info/direct_url.json",
			    "{\"dir_info\": {\"editable\": true}, \"url\": \"file://@/app/src\"}" } },
		    "direct_url.json", "@/app/src", NULL, NULL },
	};

	(void)state;
	check(rows, COUNT(rows));
}

static void
the_url_of_a_record_is_decoded(void **state)
{
	static const struct row rows[] = {
		{ "a blank",
		    { { "my app/", NULL },
			{ SITE "a.dist-info/direct_url.json",
			    "{\"dir_info\": {\"editable\": true}, \"url\": \"file://@/my%20app\"}" } },
		    "direct_url.json", "@/my app", "@/my app", NULL },
		{ "a percent sign",
		    { { "50%25/", NULL },
			{ SITE "a.dist-info/direct_url.json",
			    "{\"dir_info\": {\"editable\": true}, \"url\": \"file://@/50%2525\"}" } },
		    "direct_url.json", "@/50%25", "@/50%25", NULL },
		{ "small letters, and not ASCII",
		    { { "\xc3\xa9/", NULL },
			{ SITE "a.dist-info/direct_url.json",
			    "{\"dir_info\": {\"editable\": true}, \"url\": \"file://@/%c3%A9\"}" } },
		    "direct_url.json", "@/\xc3\xa9", "@/\xc3\xa9", NULL },
		{ "what is no code stands for itself",
		    { { "5%/", NULL },
			{ SITE "a.dist-info/direct_url.json",
			    "{\"dir_info\": {\"editable\": true}, \"url\": \"file://@/5%/\"}" } },
		    "direct_url.json", "@/5%/", "@/5%", NULL },
		{ "an apostrophe as uv leaves it",
		    { { "it's/", NULL },
			{ SITE "a.dist-info/direct_url.json",
			    "{\"url\":\"file://@/it's\",\"dir_info\":{\"editable\":true}}" } },
		    "direct_url.json", "@/it's", "@/it's", NULL },
		{ "a path in a .pth is not",
		    { { "my app/", NULL }, { SITE "a.pth", "@/my%20app\n" } }, NULL, NULL,
		    "@/my app", NULL },
	};

	(void)state;
	check(rows, COUNT(rows));
}

static void
a_line_of_a_pth_file_is_a_path_only_if_python_takes_it_for_one(void **state)
{
	static const struct row rows[] = {
		{ "a comment", { { SITE "a.pth", "# @/app/src\n#@/app/src\n" } }, NULL, NULL, NULL,
		    NULL },
		{ "code", { { SITE "a.pth", "import sys; sys.path.append('@/app/src')\n" } }, NULL,
		    NULL, NULL, NULL },
		{ "empty", { { SITE "a.pth", "" } }, NULL, NULL, NULL, NULL },
		{ "empty lines before it", { { SITE "a.pth", "\n\n  \n@/app/src" } }, "a.pth",
		    "@/app/src", NULL, NULL },
		{ "blanks after it", { { SITE "a.pth", "@/app/src \t\r\n" } }, "a.pth", "@/app/src",
		    NULL, NULL },
		{ "a name of its own", { { SITE "a.pth.bak", "@/app/src\n" } }, NULL, NULL, NULL,
		    NULL },
		{ "a name without a dot", { { SITE "apth", "@/app/src\n" } }, NULL, NULL, NULL,
		    NULL },
		{ "a relative path, wherever initd is", { { SITE "a.pth", "tree/app/src\n" } },
		    NULL, NULL, NULL, NULL },
		{ "in a directory below", { { SITE "pkg/a.pth", "@/app/src\n" } }, NULL, NULL, NULL,
		    NULL },
		{ "one that does not exist", { { SITE "a.pth", "@/missing\n" } }, NULL, NULL, NULL,
		    NULL },
		{ "a directory of that name", { { SITE "a.pth/", NULL } }, NULL, NULL, NULL, NULL },
		{ "one among lines of code and comments",
		    { { SITE "a.pth", "import os\n# a comment\n@/app/src\nimport sys\n" } },
		    "a.pth", "@/app/src", NULL, NULL },
		{ "a blank within", { { "my app/src/", NULL }, { SITE "a.pth", "@/my app/src\n" } },
		    "a.pth", "@/my app/src", "@/my app/src", NULL },
	};

	(void)state;
	check(rows, COUNT(rows));
}

static void
of_other_files_only_the_known_finders_are_read(void **state)
{
	static const struct row rows[] = {
		{ "any module", { { SITE "finder.py", "MAPPING = {'pkg': '@/app/src/pkg'}\n" } },
		    NULL, NULL, NULL, NULL },
		{ "the end of the name alone",
		    { { SITE "my_finder.py", "MAPPING = {'pkg': '@/app/src/pkg'}\n" } }, NULL, NULL,
		    NULL, NULL },
		{ "the start of the name alone",
		    { { SITE "__editable___x.py", "MAPPING = {'pkg': '@/app/src/pkg'}\n" } }, NULL,
		    NULL, NULL, NULL },
		{ "the end of the name is its start",
		    { { SITE "__editable__finder.py", "MAPPING = {'pkg': '@/app/src/pkg'}\n" } },
		    NULL, NULL, NULL, NULL },
		{ "no path at all",
		    { { SITE "__editable___x_finder.py", "MAPPING = {}\nNAMESPACES = {}\n" } },
		    NULL, NULL, NULL, NULL },
		{ "a path in double quotes, for it has an apostrophe",
		    { { "it's/", NULL },
			{ SITE "__editable___x_finder.py", "MAPPING = {'pkg': \"@/it's\"}\n" } },
		    "__editable___x_finder.py", "@/it's", "@/it's", NULL },
		{ "a source archive's name", { { SITE "uv_cache.json", "{\"a\": '@/app/src'}" } },
		    NULL, NULL, NULL, NULL },
	};

	(void)state;
	check(rows, COUNT(rows));
}

static void
each_place_for_packages_is_looked_at(void **state)
{
	static const struct row rows[] = {
		{ "any version of Python",
		    { { "v/lib/python3.9/site-packages/x.py", "" },
			{ "v/lib/python3.14t/site-packages/a.pth", "@/app/src\n" } },
		    "a.pth", "@/app/src", NULL, NULL },
		{ "lib64", { { "v/lib64/python3.13/site-packages/a.pth", "@/app/src\n" } }, "a.pth",
		    "@/app/src", NULL, NULL },
		{ "Debian's, of /usr", { { "v/lib/python3/dist-packages/a.pth", "@/app/src\n" } },
		    "a.pth", "@/app/src", NULL, NULL },
		{ "Debian's, of /usr/local",
		    { { "v/lib/python3.11/dist-packages/a.pth", "@/app/src\n" } }, "a.pth",
		    "@/app/src", NULL, NULL },
		{ "not the prefix itself", { { "v/a.pth", "@/app/src\n" } }, NULL, NULL, NULL,
		    NULL },
		{ "not beside the packages", { { "v/lib/python3.13/a.pth", "@/app/src\n" } }, NULL,
		    NULL, NULL, NULL },
		{ "not of another language",
		    { { "v/lib/ruby3.13/site-packages/a.pth", "@/app/src\n" } }, NULL, NULL, NULL,
		    NULL },
		{ "no prefix", { { NULL, NULL } }, NULL, NULL, NULL, "@/missing" },
		{ "a file for a prefix", { { NULL, NULL } }, NULL, NULL, NULL,
		    "@/app/src/pkg/__init__.py" },
		{ "nothing in the prefix", { { NULL, NULL } }, NULL, NULL, NULL, NULL },
	};

	(void)state;
	check(rows, COUNT(rows));
}

#define SYSTEM "sys/lib/python3.13/site-packages/"

static void
a_venv_that_includes_the_systems_packages_is_followed_there(void **state)
{
	static const struct row rows[] = {
		{ "as venv writes it",
		    { { "v/pyvenv.cfg", "home = @/sys/bin\ninclude-system-site-packages = true\n"
					"version = 3.13.1\n" },
			{ SYSTEM "a.pth", "@/app/src\n" } },
		    "a.pth", "@/app/src", NULL, NULL },
		{ "as uv writes it",
		    { { "v/pyvenv.cfg", "home = @/sys/bin\nuv = 0.13.9\nversion_info = 3.13.1\n"
					"include-system-site-packages = true\nprompt = a\n" },
			{ SYSTEM "a.pth", "@/app/src\n" } },
		    "a.pth", "@/app/src", NULL, NULL },
		{ "the other way round, without blanks",
		    { { "v/pyvenv.cfg", "include-system-site-packages=true\nhome=@/sys/bin" },
			{ SYSTEM "a.pth", "@/app/src\n" } },
		    "a.pth", "@/app/src", NULL, NULL },
		{ "True, as Python reads it too",
		    { { "v/pyvenv.cfg", "home = @/sys/bin\ninclude-system-site-packages = True\n" },
			{ SYSTEM "a.pth", "@/app/src\n" } },
		    "a.pth", "@/app/src", NULL, NULL },
		{ "the venv's own come first",
		    { { "v/pyvenv.cfg", "home = @/sys/bin\ninclude-system-site-packages = true\n" },
			{ SITE "own.pth", "@/app\n" }, { SYSTEM "a.pth", "@/app/src\n" } },
		    "own.pth", "@/app", NULL, NULL },
		{ "it does not include them",
		    { { "v/pyvenv.cfg",
			  "home = @/sys/bin\ninclude-system-site-packages = false\n" },
			{ SYSTEM "a.pth", "@/app/src\n" } },
		    NULL, NULL, NULL, NULL },
		{ "it says nothing",
		    { { "v/pyvenv.cfg", "home = @/sys/bin\n" }, { SYSTEM "a.pth", "@/app/src\n" } },
		    NULL, NULL, NULL, NULL },
		{ "it says where they are not",
		    { { "v/pyvenv.cfg", "include-system-site-packages = true\n" },
			{ SYSTEM "a.pth", "@/app/src\n" } },
		    NULL, NULL, NULL, NULL },
		{ "another key that ends like it",
		    { { "v/pyvenv.cfg",
			  "home = @/sys/bin\nno-include-system-site-packages = true\n" },
			{ SYSTEM "a.pth", "@/app/src\n" } },
		    NULL, NULL, NULL, NULL },
		{ "its home is itself",
		    { { "v/pyvenv.cfg", "home = @/v/bin\ninclude-system-site-packages = true\n" } },
		    NULL, NULL, NULL, NULL },
		{ "its home's home is itself",
		    { { "v/pyvenv.cfg", "home = @/sys/bin\ninclude-system-site-packages = true\n" },
			{ "sys/pyvenv.cfg",
			    "home = @/v/bin\ninclude-system-site-packages = true\n" } },
		    NULL, NULL, NULL, NULL },
		{ "no prefix but a venv's file",
		    { { "v/pyvenv.cfg", "home = /\ninclude-system-site-packages = true\n" } }, NULL,
		    NULL, NULL, NULL },
	};

	(void)state;
	(void)alarm(60); /* a circle that is followed for ever ends this test program */
	check(rows, COUNT(rows));
	(void)alarm(0);
}

/* Whatever a stranger's package has put there. */
static void
no_file_is_too_strange(void **state)
{
	static const char *const names[] = { SITE "a.pth", SITE "a.egg-link",
		SITE "__editable___x_finder.py", SITE "_editable_impl_x.py",
		SITE "a.dist-info/direct_url.json", "v/pyvenv.cfg" };
	static const struct entry good[FILES_MAX] = { { SITE "zzz.pth", "@/app/src\n" } };
	static char bytes[200000];
	static const char fillers[] = { '\0', '/', 'x', '\'', '"', '%', '\n', '{', '\\', '=',
		'\xff' };

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++)
		for (size_t f = 0; f < COUNT(fillers); f++) {
			char agent_dir[PATH_MAX], prefix[PATH_MAX], path[PATH_MAX], row[128],
			    how[256] = "";

			make_tree(good);
			(void)snprintf(path, sizeof path, "tree/%s", names[i]);
			make_parents(path);
			memset(bytes, fillers[f], sizeof bytes);
			write_bytes(path, bytes, sizeof bytes);
			put_root(agent_dir, sizeof agent_dir, "@/app/src");
			put_root(prefix, sizeof prefix, "@/v");
			(void)snprintf(row, sizeof row, "%s of 0x%02x", names[i],
			    (unsigned)(unsigned char)fillers[f]);
			/* It is passed over, and the good one is found. */
			expect_equal(row, editable_find(prefix, agent_dir, how, sizeof how), true);
			expect_equal(row, strstr(how, "zzz.pth names ") != NULL, true);
		}
}

/* Nobody writes; nobody would be waited for for ever. */
static void
a_fifo_is_passed_over(void **state)
{
	static const char *const names[] = { SITE "a.pth", SITE "__editable___x_finder.py",
		SITE "a.dist-info/direct_url.json", "v/pyvenv.cfg" };
	static const struct entry good[FILES_MAX] = { { SITE "zzz.pth", "@/app/src\n" } };

	(void)state;
	(void)alarm(10); /* its signal is the end of this test program */
	for (size_t i = 0; i < COUNT(names); i++) {
		char agent_dir[PATH_MAX], prefix[PATH_MAX], path[PATH_MAX], how[256] = "";

		make_tree(good);
		(void)snprintf(path, sizeof path, "tree/%s", names[i]);
		make_parents(path);
		assert_int_equal(mkfifo(path, 0600), 0);
		put_root(agent_dir, sizeof agent_dir, "@/app/src");
		put_root(prefix, sizeof prefix, "@/v");
		expect_equal(names[i], editable_find(prefix, agent_dir, how, sizeof how), true);
	}
	(void)alarm(0);
}

static void
what_is_told_is_cut_where_it_does_not_fit(void **state)
{
	static const struct entry entries[FILES_MAX] = { { SITE "a.pth", "@/app/src\n" } };
	char agent_dir[PATH_MAX], prefix[PATH_MAX], whole[PATH_MAX];

	(void)state;
	make_tree(entries);
	put_root(agent_dir, sizeof agent_dir, "@/app/src");
	put_root(prefix, sizeof prefix, "@/v");
	assert_true(editable_find(prefix, agent_dir, whole, sizeof whole));
	for (size_t size = 1; size <= strlen(whole) + 1; size++) {
		char *how = malloc(size), row[32];

		assert_non_null(how);
		(void)snprintf(row, sizeof row, "size %zu", size);
		memset(how, 'z', size);
		expect_equal(row, editable_find(prefix, agent_dir, how, size), true);
		expect_equal(row, strnlen(how, size) < size, true);
		expect_equal(row, strncmp(how, whole, strlen(how)), 0);
		free(how);
	}
}

static void
no_descriptor_stays_open(void **state)
{
	static const struct entry entries[FILES_MAX] = { { SITE "a.pth", "@/app/lib\n" },
		{ SITE "a.dist-info/direct_url.json", "{}" },
		{ SITE "__editable___x_finder.py", "MAPPING = {}\n" },
		{ "v/pyvenv.cfg", "home = @/sys/bin\ninclude-system-site-packages = true\n" } };
	char agent_dir[PATH_MAX], prefix[PATH_MAX], how[256];
	int before, after;

	(void)state;
	make_tree(entries);
	put_root(agent_dir, sizeof agent_dir, "@/app/src");
	put_root(prefix, sizeof prefix, "@/v");
	before = next_descriptor();
	assert_false(editable_find(prefix, agent_dir, how, sizeof how));
	write_file("tree/" SITE "a.pth", agent_dir);
	assert_true(editable_find(prefix, agent_dir, how, sizeof how));
	after = next_descriptor();
	assert_int_equal(after, before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_backend_is_recognised_by_what_it_writes),
		cmocka_unit_test(a_path_counts_if_it_is_agent_dir_in_it_or_above_it),
		cmocka_unit_test(what_is_installed_is_no_source_but_sources_may_be_anywhere_else),
		cmocka_unit_test(links_are_resolved_on_both_sides),
		cmocka_unit_test(a_record_must_say_editable),
		cmocka_unit_test(the_url_of_a_record_is_decoded),
		cmocka_unit_test(a_line_of_a_pth_file_is_a_path_only_if_python_takes_it_for_one),
		cmocka_unit_test(of_other_files_only_the_known_finders_are_read),
		cmocka_unit_test(each_place_for_packages_is_looked_at),
		cmocka_unit_test(a_venv_that_includes_the_systems_packages_is_followed_there),
		cmocka_unit_test(no_file_is_too_strange),
		cmocka_unit_test(a_fifo_is_passed_over),
		cmocka_unit_test(what_is_told_is_cut_where_it_does_not_fit),
		cmocka_unit_test(no_descriptor_stays_open),
	};

	return cmocka_run_group_tests_name("editable", tests, enter_folder, leave_folder);
}
