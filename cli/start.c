/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding a broker: start.h. How one is started is in spawn.c.
 */
#include "start.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../libintro/intro.h"
#include "fd.h"
#include "spawn.h"

struct where where;

bool where_option(int c, const char *arg)
{
	switch (c) {
	case OPT_SYSTEM:
		where.system = true;
		where.user = false;
		return true;
	case OPT_USER:
		where.user = true;
		where.system = false;
		return true;
	case OPT_BASE:
		where.base = arg;
		return true;
	case OPT_DOOR:
		where.door = arg;
		return true;
	default:
		return false;
	}
}

static int put(char ret[static WHERE_BYTES], const char *directory, const char *rest)
{
	int n = snprintf(ret, WHERE_BYTES, "%s%s", directory, rest);

	return n < 0 || (size_t)n >= WHERE_BYTES ? -ENAMETOOLONG : 0;
}

/* As libintro looks for it, so that both mean the same broker. */
static int user_base(char ret[static WHERE_BYTES])
{
	const char *runtime = secure_getenv("XDG_RUNTIME_DIR");
	char path[64];
	struct stat st;

	if (runtime && runtime[0] == '/')
		return put(ret, runtime, "/introd");
	snprintf(path, sizeof path, "/run/user/%u", (unsigned int)geteuid());
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid())
		return put(ret, path, "/introd");
	snprintf(path, sizeof path, "/tmp/introd-%u", (unsigned int)geteuid());
	return put(ret, path, "");
}

/* Whether somebody listens there: 0, or the negative errno of connect(). */
static int probe(const char *directory, const char *file)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -1;
	int n;

	n = snprintf(sa.sun_path, sizeof sa.sun_path, "%s/%s", directory, file);
	if (n < 0 || (size_t)n >= sizeof sa.sun_path)
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* EAGAIN: it listens, and many are waiting */
	if (connect(fd, (struct sockaddr *)&sa, sizeof sa) < 0 && errno != EAGAIN)
		return -errno;
	return 0;
}

/* What probe() says where nobody listens. */
static bool is_absent(int r)
{
	return r == -ENOENT || r == -ENOTDIR || r == -ECONNREFUSED;
}

/* The user's broker, or the one of --base: running, or started. */
static int private_base(bool start, char ret[static WHERE_BYTES])
{
	char base[WHERE_BYTES];
	int r = where.base ? put(base, where.base, "") : user_base(base);

	if (r < 0)
		return r;
	r = probe(base, "control.sock");
	if (r < 0 && start)
		r = spawn_broker(base);
	else if (is_absent(r))
		r = -ENOTCONN;
	return r < 0 ? r : put(ret, base, "");
}

static bool inside_a_door(void)
{
	const char *door = getenv("INTRO_DOOR");

	return door && *door;
}

int where_base(bool start, char ret[static WHERE_BYTES])
{
	int r;

	if (where.system) {
		r = probe(SYSTEM_BASE, "control.sock");
		if (r < 0)
			return is_absent(r) ? -ENOTCONN : r;
		return put(ret, SYSTEM_BASE, "");
	}
	if (where.user || where.base)
		return private_base(start, ret);
	r = private_base(false, ret);
	if (r != -ENOTCONN)
		return r;
	r = probe(SYSTEM_BASE, "control.sock");
	if (r == 0)
		return put(ret, SYSTEM_BASE, "");
	/* who is let in by a door, or by the system's broker, does not want a third one */
	if (inside_a_door())
		return -ENOTCONN;
	if (probe(SYSTEM_DOOR, "intro.sock") == 0)
		return -EACCES;
	return start ? private_base(true, ret) : -ENOTCONN;
}

/* The door called name of whichever broker where_base() finds. */
static int named_door(const char *name, bool start, char ret[static WHERE_BYTES])
{
	char base[WHERE_BYTES];
	int r, n;

	r = where_base(start, base);
	if (r < 0)
		return r;
	if (!strcmp(base, SYSTEM_BASE) && !strcmp(name, "host"))
		return put(ret, SYSTEM_DOOR, "");
	n = snprintf(ret, WHERE_BYTES, "%s/doors/%s", base, name);
	return n < 0 || (size_t)n >= WHERE_BYTES ? -ENAMETOOLONG : 0;
}

int where_door(bool start, char ret[static WHERE_BYTES])
{
	int r;

	if (where.door) {
		if (strchr(where.door, '/') || !strncmp(where.door, "fd:", 3))
			return put(ret, where.door, "");
		return named_door(where.door, start, ret);
	}
	if (where.system)
		return put(ret, SYSTEM_DOOR, "");
	if (where.user || where.base)
		return named_door("host", start, ret);
	if (inside_a_door())
		return put(ret, getenv("INTRO_DOOR"), "");

	r = private_base(false, ret);
	if (r == 0)
		return named_door("host", false, ret);
	if (r != -ENOTCONN)
		return r;
	if (probe(SYSTEM_DOOR, "intro.sock") == 0)
		return put(ret, SYSTEM_DOOR, "");
	return start ? named_door("host", true, ret) : -ENOTCONN;
}

int where_failed(int error)
{
	if (error == -ENOTCONN && (where.system || where.base)) {
		complain("no broker runs in %s\nTo start it: %s",
			 where.system ? SYSTEM_BASE : where.base,
			 where.system ? "systemctl start introd, or introd --system as root" :
					"introd --user --base DIR");
		return CODE_TEMPORARY;
	}
	if (error == -ENOTCONN) {
		complain("no broker runs, neither the user's nor the system's\n"
			 "To start the user's: introd --user; intro serve and intro door add "
			 "do so by themselves");
		return CODE_TEMPORARY;
	}
	if (error == -EACCES || error == -EPERM) {
		complain("the broker may be administered only by whoever owns it: "
			 "permission denied on its control.sock\n"
			 "Be that user (sudo intro --system …), or use your own: intro --user …");
		return CODE_FAILED;
	}
	if (error == -ESTALE)	/* spawn_broker() has said why */
		return CODE_TEMPORARY;
	return failed(error, "cannot find a broker");
}
