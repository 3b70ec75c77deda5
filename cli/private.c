/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listeners of private.h.
 */
#include "private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fd.h"

static int bind_in(const char *directory, int type, int *ret_listener, int *ret_path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	_cleanup_close_ int listener = -1, path = -1;
	char made[80];
	int n, r = 0;

	n = snprintf(made, sizeof made, "%s/intro-XXXXXX", directory);
	if (n < 0 || (size_t)n >= sizeof made)
		return -ENAMETOOLONG;
	/* mode 0700: nobody else can connect in the moment before the file is gone */
	if (!mkdtemp(made))
		return -errno;
	snprintf(sa.sun_path, sizeof sa.sun_path, "%s/listener", made);
	listener = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&sa, sizeof sa) < 0 ||
	    listen(listener, SOMAXCONN) < 0)
		r = -errno;
	if (r == 0) {
		path = open(sa.sun_path, O_PATH | O_CLOEXEC);
		if (path < 0)
			r = -errno;
	}
	unlink(sa.sun_path);
	rmdir(made);
	if (r == 0) {
		*ret_listener = fd_steal(&listener);
		*ret_path = fd_steal(&path);
	}
	return r;
}

int private_listener(int type, int *ret_listener, int *ret_path)
{
	const char *directories[] = { getenv("XDG_RUNTIME_DIR"), getenv("TMPDIR"), "/tmp",
				      "/dev/shm" };
	int r = -ENOENT;

	for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
		if (!directories[i] || directories[i][0] != '/')
			continue;
		r = bind_in(directories[i], type, ret_listener, ret_path);
		if (r == 0)
			break;
	}
	return r;
}
