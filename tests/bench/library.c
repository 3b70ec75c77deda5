/* SPDX-License-Identifier: Apache-2.0 */
/*
 * library: the same work as client.c and service.c, by libintro. Started by load.
 *
 *	library client DOOR	intro_connect() on one persistent reference
 *	library dial DOOR	intro_dial()
 *	library service DOOR	intro_serve() with the largest batch
 */
#include "intro.h"
#include "raw.h"

struct user {
	struct intro *in;
	struct intro_ref *ref;
	int fd;
};

static void must(int error, const char *what)
{
	if (error < 0) {
		errno = 0;
		slice_die("%s: %s", what, intro_strerror(error));
	}
}

static uint64_t introduce(void *arg)
{
	struct user *u = arg;
	struct intro_event ev;
	int request = intro_connect(u->ref, SOCK_STREAM, 0);

	must(request, "intro_connect");
	must(intro_wait(u->in, request, -1, &ev), "intro_wait");
	must(ev.error, "introduced");
	u->fd = ev.fd;
	return slice_now();
}

static uint64_t dial(void *arg)
{
	struct user *u = arg;

	u->fd = intro_dial(RAW_NAME, SOCK_STREAM, 10000);
	must(u->fd, "intro_dial");
	return slice_now();
}

static void tidy(void *arg)
{
	struct user *u = arg;

	close(u->fd);
}

__attribute__((noreturn))
static void serve(struct user *u)
{
	struct intro_service options = { .batch = WIRE_BATCH_MAX };
	struct slice *s = slice_map();
	struct intro_event ev;
	int request = intro_serve(u->in, RAW_NAME, &options, &u->ref);

	must(request, "intro_serve");
	must(intro_wait(u->in, request, 10000, &ev), "intro_wait");
	must(ev.error, "served");
	atomic_store(&s->counting, 1);
	slice_ready(s);
	for (;;) {
		must(intro_wait(u->in, 0, -1, &ev), "intro_wait");
		must(ev.error, "event");
		if (ev.what != INTRO_INCOMING)
			continue;
		close(ev.fd);
		slice_received(s, 1);
	}
}

int main(int argc, char **argv)
{
	struct user u = { 0 };

	if (argc != 3) {
		fputs("usage: library client|dial|service DOOR\n", stderr);
		return 100;
	}
	setenv("INTRO_DOOR", argv[2], 1);
	if (!strcmp(argv[1], "dial"))
		slice_client_run(slice_map(), dial, tidy, &u);
	must(intro_open(&u.in, NULL), argv[2]);
	if (!strcmp(argv[1], "service"))
		serve(&u);
	must(intro_find(u.in, RAW_NAME, &u.ref), "intro_find");
	slice_client_run(slice_map(), introduce, tidy, &u);
}
