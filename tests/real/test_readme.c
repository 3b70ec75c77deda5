/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the README says: its examples are run as they stand there, and print what they say;
 * its table of ways is measured again.
 */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

#define README SOURCE_DIR "/README.md"
#define EXAMPLE "<!-- run -->\n```sh\n"
#define PRINTS "# → "
#define ANYTHING "…"

/* The nth example of the README: its text, to be freed, or NULL. */
static char *example(int nth)
{
	char *readme = file_read(README), *at = readme, *end;

	cr_assert_not_null(readme);
	for (int i = 0; at && i <= nth; i++) {
		at = strstr(at, EXAMPLE);
		if (at)
			at += strlen(EXAMPLE);
	}
	end = at ? strstr(at, "```") : NULL;
	at = end ? strndup(at, (size_t)(end - at)) : NULL;
	free(readme);
	return at;
}

/* What a line of the README stands for: anything where it has three dots in one. */
static void pattern_of(char *out, size_t size, const char *line, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len && n + 2 < size; i++) {
		if (strncmp(line + i, ANYTHING, strlen(ANYTHING)) == 0) {
			out[n++] = '*';
			i += strlen(ANYTHING) - 1;
			continue;
		}
		if (strchr("*?[\\", line[i]))
			out[n++] = '\\';
		out[n++] = line[i];
	}
	out[n] = '\0';
}

/* Compare what was printed, line for line, with what the example says of it. */
static void compare(const char *text, const char *printed)
{
	for (const char *p = text; (p = strstr(p, PRINTS)); p++) {
		size_t wanted = strcspn(p += strlen(PRINTS), "\n"), len = strcspn(printed, "\n");
		char pattern[512], line[512];

		pattern_of(pattern, sizeof pattern, p, wanted);
		snprintf(line, sizeof line, "%.*s", (int)len, printed);
		line[strcspn(line, "\r")] = '\0';
		cr_expect_eq(fnmatch(pattern, line, 0), 0, "wanted \"%s\", printed \"%s\"", pattern,
			     line);
		printed += len + (printed[len] == '\n');
	}
	cr_expect_str_eq(printed, "", "more was printed than the example says: %s", printed);
}

/* In a directory of its own, with what was built first in PATH; whatever it leaves running in
 * the background ends with it. */
static void run_in(const struct broker *b, struct run *ret, const char *script)
{
	static const char frame[] = "mkdir \"$XDG_RUNTIME_DIR/work\" && cd \"$XDG_RUNTIME_DIR/work\"\n"
				    "trap 'kill $(jobs -p) 2>/dev/null || :; wait' EXIT\n"
				    "set -eu\neval \"$1\"\n";
	char build[PATH_BYTES], path[4096], runtime[DIR_BYTES + 24];

	program_path(".", build);
	snprintf(path, sizeof path, "PATH=%s:%s/examples:%s", build, build, getenv("PATH"));
	snprintf(runtime, sizeof runtime, "XDG_RUNTIME_DIR=%s", b->dir);
	run(ret, &(struct spawn){
		.argv = (const char *const[]){ "bash", "-c", frame, "example", script, NULL },
		.env = (const char *const[]){ path, runtime, "INTRO_DOOR",
					      "PYTHONDONTWRITEBYTECODE=1", NULL },
	});
}

static bool can_make_sandboxes(void)
{
	_cleanup_run_ struct run r = { 0 };

	run(&r, &(struct spawn){
		.argv = (const char *const[]){ "bwrap", "--unshare-all", "--ro-bind", "/", "/", "true",
					       NULL },
	});
	return r.status == 0;
}

static void run_example(int nth)
{
	_cleanup_run_ struct run r = { 0 };
	char *text = example(nth);
	struct broker b;

	cr_assert_not_null(text, "the README has no example %d", nth);
	cr_assert_not_null(strstr(text, PRINTS), "it does not say what it prints:\n%s", text);
	if (strstr(text, "bwrap") && !can_make_sandboxes()) {
		free(text);
		cr_skip("bubblewrap can make no sandbox here");
	}
	broker_start(&b, NULL);
	run_in(&b, &r, text);
	cr_expect_eq(r.status, 0, "status %d: %s%s\nof:\n%s", r.status, r.out, r.err, text);
	compare(text, r.out);
	broker_stop(&b);
	free(text);
}

TEST(readme, example_1)
{
	run_example(0);
}

TEST(readme, example_2)
{
	run_example(1);
}

TEST(readme, example_3)
{
	run_example(2);
}

TEST(readme, example_4)
{
	run_example(3);
}

TEST(readme, example_5)
{
	run_example(4);
}

TEST(readme, example_6)
{
	run_example(5);
}

TEST(readme, example_7)
{
	char *more = example(7);

	run_example(6);
	cr_expect_null(more, "there is no test for an example of the README");
	free(more);
}

TEST(readme, table_of_ways)
{
	_cleanup_run_ struct run r = { 0 };
	char *readme = file_read(README), *from, *to;
	struct broker b;

	cr_assert_not_null(readme);
	from = strstr(readme, "<!-- ways -->\n");
	to = from ? strstr(from, "<!-- /ways -->") : NULL;
	cr_assert_not_null(to);
	from += strlen("<!-- ways -->\n");
	*to = '\0';

	broker_start(&b, NULL);
	run_in(&b, &r, "python3 " SOURCE_DIR "/tests/real/ways.py");
	cr_expect_eq(r.status, 0, "%s", r.err);
	cr_expect_str_eq(r.out, from);
	broker_stop(&b);
	free(readme);
}
