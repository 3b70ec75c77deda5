/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of ask.h.
 */
#include "ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../libintro/wire/name.h"
#include "fd.h"
#include "parse.h"

int ask_open(bool start, struct intro **ret, char ret_door[static WHERE_BYTES])
{
	int r = where_door(start, ret_door);

	if (r < 0)
		return where_failed(r);
	r = intro_open(ret, ret_door);
	return r < 0 ? failed(r, "cannot open the door %s", ret_door) : CODE_OK;
}

int ask_wait(struct intro *in, int request, int timeout_ms, struct intro_event *ret)
{
	struct intro_event event;
	int r;

	if (request < 0)
		return request;
	r = intro_wait(in, request, timeout_ms, &event);
	if (r <= 0)
		return r < 0 ? r : -ETIMEDOUT;
	if (event.what == INTRO_REFUSED)
		return event.error;
	*ret = event;
	return 0;
}

int ask_name(const char *verb, const char *name)
{
	if (wire_name_ok(name, strlen(name)))
		return CODE_OK;
	return usage_error(verb, "\"%s\" is no name (wanted: 1 to 64 of A-Z a-z 0-9 . _ -, the "
			   "first a letter or digit)", name);
}

int ask_fd(const char *s, int *ret)
{
	uint32_t number;

	/* fs.nr_open's usual value: nobody has more */
	if (parse_number(s, 1048575, &number) < 0)
		return -EINVAL;
	*ret = (int)number;
	return 0;
}

static int place_fd(int fd, int number)
{
	if (fd == number)
		return fcntl(fd, F_SETFD, 0) < 0 ? -errno : 0;
	return dup2(fd, number) < 0 ? -errno : 0;
}

int ask_exec(char **argv, int fd, int number, int also, const char *name, uint64_t session)
{
	char text[24];
	int r;

	r = fd_set_blocking(fd);
	if (r >= 0)
		r = place_fd(fd, number);
	if (r >= 0 && also >= 0)
		r = place_fd(fd, also);
	if (r < 0) {
		close(fd);
		return failed(r, "cannot put the descriptor in place as number %d", number);
	}
	if (fd != number && fd != also)
		close(fd);
	setenv("INTRO_NAME", name, 1);
	unsetenv("INTRO_SESSION");
	if (session) {
		snprintf(text, sizeof text, "%llu", (unsigned long long)session);
		setenv("INTRO_SESSION", text, 1);
	}
	execvp(argv[0], argv);
	complain("cannot run %s: %s", argv[0], strerror(errno));
	return CODE_FAILED;
}
