/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the secrets of secret.h.
 */
#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "cli.h"
#include "fd.h"

/* At most size bytes with the final zero, up to the end. The length or a negative errno. */
static ssize_t read_all(int fd, char *out, size_t size)
{
	size_t used = 0;
	ssize_t n;

	do {
		n = read(fd, out + used, size - used);
		if (n < 0 && errno != EINTR)
			return -errno;
		used += n > 0 ? (size_t)n : 0;
	} while (n != 0 && used < size);
	return used < size ? (ssize_t)used : -EMSGSIZE;
}

int secret_read(const char *verb, const char *what, const char *from, char *out, size_t size)
{
	_cleanup_close_ int own = -1;
	ssize_t n;
	int fd;

	if (from[0] == '@') {
		own = open(from + 1, O_RDONLY | O_CLOEXEC);
		if (own < 0)
			return failed(-errno, "cannot open %s", from + 1);
		fd = own;
	} else if (!strcmp(from, "-")) {
		fd = STDIN_FILENO;
	} else if (strncmp(from, "fd:", 3) != 0 || ask_fd(from + 3, &fd) < 0) {
		/* not repeated here: it may be one */
		return usage_error(verb, "%s is a secret, and others can read a command line; wanted: "
				   "@FILE, fd:N or - (standard input)", what);
	}
	n = read_all(fd, out, size);
	if (n < 0)
		return failed((int)n, "cannot read %s from %s", what, from);
	out[n] = '\0';
	out[strcspn(out, "\r\n")] = '\0';
	return CODE_OK;
}
