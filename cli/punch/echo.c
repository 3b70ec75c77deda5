/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The application's datagrams of echo.h.
 */
#include "echo.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../fd.h"
#include "udp.h"

static void ready(struct loop_source *source, uint32_t events)
{
	struct echo *e = container_of(source, struct echo, source);
	static struct udp_inbox inbox;	/* too large for a stack; the process has one thread */

	(void)events;
	if (udp_receive(source->fd, &inbox) < 0)
		return;
	for (size_t i = 0; i < inbox.n; i++) {
		e->user = inbox.got[i].from;
		/* lost where there is no path yet, as on any network */
		(void)drive_send(e->drive, inbox.got[i].bytes, inbox.got[i].len);
	}
}

int echo_begin(struct echo *e, struct loop *loop, struct drive *drive, uint16_t port)
{
	struct address at = { .family = 4, .port = port, .ip = { 127, 0, 0, 1 } };
	_cleanup_close_ int fd = -1;
	int r;

	*e = (struct echo){ .drive = drive, .source = { .fd = -1, .ready = ready } };
	if (port == 0)
		return 0;
	fd = udp_open(&at, OUTPUT_BIND_ANY, NULL);
	if (fd < 0)
		return fd;
	e->source.fd = fd;
	r = loop_add(loop, &e->source, EPOLLIN);
	if (r < 0) {
		e->source.fd = -1;
		return r;
	}
	fd_steal(&fd);
	return 0;
}

void echo_end(struct echo *e, struct loop *loop)
{
	int fd = e->source.fd;

	if (fd < 0)
		return;
	loop_remove(loop, &e->source);
	close(fd);
}

void echo_data(void *arg, const uint8_t *payload, size_t len)
{
	struct echo *e = arg;
	struct sockaddr_storage sa;

	if (e->source.fd < 0) {
		(void)drive_send(e->drive, payload, len);
		return;
	}
	if (e->user.family == 0)
		return;
	/* a full buffer loses it, as a network does */
	(void)sendto(e->source.fd, payload, len, MSG_DONTWAIT, (struct sockaddr *)&sa,
		     address_to_sockaddr(&e->user, &sa));
}
