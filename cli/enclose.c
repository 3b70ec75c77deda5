/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The enclosures of enclose.h.
 */
#include "enclose.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "cli.h"
#include "fd.h"
#include "refusal.h"

/* Which of the names it is that the door does not grant; NULL: another matter. */
static const char *missing(struct intro *in, const struct intro_enclosed *names, size_t n)
{
	struct intro_event ev;

	while (intro_next(in, &ev) > 0)
		for (size_t i = 0; ev.what == INTRO_BROKEN && i < n; i++)
			if (names[i].ref == ev.ref)
				return intro_ref_name(ev.ref);
	return NULL;
}

static void set_names(const struct intro_enclosed *names, size_t n)
{
	char text[64 * 65 + 1];
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < n && used < sizeof text; i++)
		used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i ? " " : "",
					 names[i].name);
	setenv("INTRO_NAMES", text, 1);
}

int enclose_exec(struct intro *in, const struct intro_enclosed *names, size_t n, char **argv,
		 const char *door)
{
	struct intro_event ev;
	const char *name;
	char text[24];
	int r = ask_wait(in, intro_enclose(in, names, n), ANSWER_MS, &ev);

	if (r < 0) {
		name = r == -ENOENT ? missing(in, names, n) : NULL;
		r = name ? refused(WANTED_LEND, name, door, r) : failed(r, "cannot lend");
		intro_close(in);
		return r;
	}
	set_names(names, n);
	intro_close(in);
	if (fcntl(ev.fd, F_SETFD, 0) < 0)
		return failed(-errno, "cannot pass the descriptor on");
	snprintf(text, sizeof text, "fd:%d", ev.fd);
	setenv("INTRO_DOOR", text, 1);
	execvp(argv[0], argv);
	complain("cannot run %s: %s", argv[0], strerror(errno));
	return CODE_FAILED;
}
