/* SPDX-License-Identifier: Apache-2.0 */
/*
 * path: clients that know nothing of a broker, and servers that know none. Started by
 * load.
 *
 *	path client PATH	connects to PATH over and over and waits until the service has
 *				closed the connection: that is when it was served
 *	path server PATH	listens on PATH, accepts and closes
 */
#include "raw.h"

struct path {
	struct sockaddr_un address;
	int sock;
};

static uint64_t visit(void *arg)
{
	struct path *p = arg;
	char byte;

	p->sock = raw_connect(&p->address, SOCK_STREAM);
	if (recv(p->sock, &byte, 1, 0) != 0)
		slice_die("%s: no end-of-file from the service", p->address.sun_path);
	return slice_now();
}

static void tidy(void *arg)
{
	struct path *p = arg;

	close(p->sock);
}

__attribute__((noreturn))
static void serve(struct slice *s, const char *path)
{
	int listener = raw_listen(path, SOCK_STREAM);

	atomic_store(&s->counting, 1);
	slice_ready(s);
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			slice_die("accept");
		close(fd);
		slice_received(s, 1);
	}
}

int main(int argc, char **argv)
{
	struct path p;

	if (argc != 3) {
		fputs("usage: path client|server PATH\n", stderr);
		return 100;
	}
	if (!strcmp(argv[1], "server"))
		serve(slice_map(), argv[2]);
	raw_address(&p.address, argv[2]);
	slice_client_run(slice_map(), visit, tidy, &p);
}
